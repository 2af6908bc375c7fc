resource "aws_ecs_cluster" "main" {
  name = var.name

  # Its metrics cost more than the tasks; what matters the program tells itself.
  setting {
    name  = "containerInsights"
    value = "disabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "main" {
  cluster_name       = aws_ecs_cluster.main.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = local.capacity_provider
    weight            = 1
  }
}

locals {
  capacity_provider = var.spot ? "FARGATE_SPOT" : "FARGATE"

  task_environment = merge(local.environment, {
    AWS_REGION = var.region
    # The function checks by Athena after each run; a task would read the same again.
    SCHEMAHUB_QUALITY = "false"
    # The only place that may be written (the root is read-only).
    TMPDIR = "/tmp"
    HOME   = "/tmp"
  })
}

resource "aws_ecs_task_definition" "task" {
  for_each = local.tasks

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.cpu)
  memory                   = tostring(var.memory)
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task[each.key].arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  ephemeral_storage {
    size_in_gib = var.ephemeral_storage_gb
  }

  # Its owner and mode are those of the image's `VOLUME /tmp`: without that only root could
  # write there.
  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([{
    name                   = "schemahub"
    image                  = local.image
    command                = each.value.command
    essential              = true
    user                   = var.container_user
    readonlyRootFilesystem = true
    # Spot and StopTask send SIGTERM: the program asks for nothing more, stores what is proven
    # and is gone within five seconds. After thirty it is killed, and nothing is lost either.
    stopTimeout = 30
    linuxParameters = {
      # Reaps the processes of workers, and passes signals on.
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
    }
    environment = [for key in sort(keys(local.task_environment)) :
      { name = key, value = local.task_environment[key] }
    ]
    mountPoints = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = local.log_group
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = each.key
        # A log that is slow must never hold up a run: lines wait in memory, then are lost.
        "mode"            = "non-blocking"
        "max-buffer-size" = "25m"
      }
    }
  }])

  depends_on = [aws_cloudwatch_log_group.tasks]
}
