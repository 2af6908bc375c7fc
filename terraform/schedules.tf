resource "aws_scheduler_schedule_group" "main" {
  name = var.name
}

resource "aws_scheduler_schedule" "task" {
  for_each = { for name in ["run", "compact"] : name => local.schedules[name] if local.schedules[name] != "" }

  name                         = "${var.name}-${each.key}"
  group_name                   = aws_scheduler_schedule_group.main.name
  description                  = "schemahub ${each.key}"
  schedule_expression          = each.value
  schedule_expression_timezone = "UTC"
  state                        = var.schedules_enabled ? "ENABLED" : "DISABLED"
  kms_key_arn                  = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_ecs_cluster.main.arn
    role_arn = aws_iam_role.scheduler.arn

    ecs_parameters {
      task_definition_arn     = aws_ecs_task_definition.task[each.key].arn
      task_count              = 1
      platform_version        = "LATEST"
      propagate_tags          = "TASK_DEFINITION"
      enable_ecs_managed_tags = true

      capacity_provider_strategy {
        capacity_provider = local.capacity_provider
        weight            = 1
      }

      network_configuration {
        subnets         = aws_subnet.public[*].id
        security_groups = [aws_security_group.tasks.id]
        # The way out, in place of a NAT gateway.
        assign_public_ip = true
      }
    }

    # No capacity on Spot, or a throttled call: again within the hour. A run that started and
    # failed is not started again: the next one goes on from where it was.
    retry_policy {
      maximum_retry_attempts       = 5
      maximum_event_age_in_seconds = 3600
    }

    dead_letter_config {
      arn = aws_sqs_queue.dead_letters.arn
    }
  }

  depends_on = [aws_ecs_cluster_capacity_providers.main, aws_iam_role_policy.scheduler]
}

resource "aws_scheduler_schedule" "quality" {
  name                         = "${var.name}-quality"
  group_name                   = aws_scheduler_schedule_group.main.name
  description                  = "The quality checks, after each run"
  schedule_expression          = local.schedules.quality
  schedule_expression_timezone = "UTC"
  state                        = var.schedules_enabled ? "ENABLED" : "DISABLED"
  kms_key_arn                  = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.quality.arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({})

    retry_policy {
      maximum_retry_attempts       = 2
      maximum_event_age_in_seconds = 3600
    }

    dead_letter_config {
      arn = aws_sqs_queue.dead_letters.arn
    }
  }

  depends_on = [aws_iam_role_policy.scheduler]
}

# What could not be started at all; an alarm looks whether it is empty.
resource "aws_sqs_queue" "dead_letters" {
  name                              = local.dead_letters
  message_retention_seconds         = 1209600
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 3600
}
