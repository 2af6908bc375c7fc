locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  bucket    = var.bucket_name != "" ? var.bucket_name : "${var.name}-${local.account}-${var.region}"

  # ARNs put together from names, not taken from resources: so a plan shows whole policies
  # before anything is there, and can be reviewed and tested.
  arn = {
    bucket    = "arn:${local.partition}:s3:::${local.bucket}"
    lake      = "arn:${local.partition}:s3:::${local.bucket}/${var.lake_prefix}"
    leases    = "arn:${local.partition}:dynamodb:${var.region}:${local.account}:table/${local.leases_table}"
    glue      = "arn:${local.partition}:glue:${var.region}:${local.account}"
    workgroup = "arn:${local.partition}:athena:${var.region}:${local.account}:workgroup/${local.workgroup}"
    roles     = "arn:${local.partition}:iam::${local.account}:role"
    cluster   = "arn:${local.partition}:ecs:${var.region}:${local.account}:cluster/${var.name}"
    tasks     = "arn:${local.partition}:ecs:${var.region}:${local.account}:task-definition/${var.name}"
    schedules = "arn:${local.partition}:scheduler:${var.region}:${local.account}:schedule"
    lambda    = "arn:${local.partition}:lambda:${var.region}:${local.account}:function:${local.quality_function}"
    dlq       = "arn:${local.partition}:sqs:${var.region}:${local.account}:${local.dead_letters}"
    alarms    = "arn:${local.partition}:sns:${var.region}:${local.account}:${var.name}-alarms"
    logs      = "arn:${local.partition}:logs:${var.region}:${local.account}:log-group"
    images    = "arn:${local.partition}:ecr:${var.region}:${local.account}:repository/${var.name}"
  }

  image            = "${local.account}.dkr.ecr.${var.region}.${data.aws_partition.current.dns_suffix}/${var.name}:${var.image_tag}"
  leases_table     = "${var.name}-leases"
  workgroup        = var.name
  quality_function = "${var.name}-quality"
  dead_letters     = "${var.name}-dead-letters"
  log_group        = "/${var.name}/tasks"
  athena_output    = "s3://${local.bucket}/${var.lake_prefix}/athena/"

  # What Fargate offers: MiB of memory by CPU units.
  fargate_memory = {
    "256"   = [512, 1024, 2048]
    "512"   = range(1024, 4097, 1024)
    "1024"  = range(2048, 8193, 1024)
    "2048"  = range(4096, 16385, 1024)
    "4096"  = range(8192, 30721, 1024)
    "8192"  = range(16384, 61441, 4096)
    "16384" = range(32768, 122881, 8192)
  }

  # The program's settings (docs/cli.md), the same for tasks and function.
  environment = {
    S3_BUCKET                  = "${local.bucket}/${var.lake_prefix}"
    DYNAMODB_LOCKS_TABLE       = local.leases_table
    SCHEMAHUB_DATABASE         = var.database
    SCHEMAHUB_CATALOG          = "glue"
    SCHEMAHUB_PUBLISH          = "true"
    SCHEMAHUB_ATHENA_WORKGROUP = local.workgroup
    SCHEMAHUB_ATHENA_OUTPUT    = local.athena_output
    SCHEMAHUB_ATHENA_LIMIT     = tostring(var.athena_limit_gb)
  }

  # Every job is the same image with another command and another role.
  tasks = {
    ingest    = { command = concat(["schemahub", "ingest", "--no-progress"], var.markets) }
    transform = { command = ["schemahub", "transform", "--no-progress"] }
    run       = { command = concat(["schemahub", "run", "--no-progress"], var.markets) }
    compact   = { command = ["schemahub", "compact", "--no-progress"] }
    repair    = { command = concat(["schemahub", "repair", "--no-progress"], var.markets) }
  }

  # Cron and not rate(): runs at known hours, whenever the schedule was made. Quality follows
  # three quarters of an hour later, when a run of 50 markets has long been published.
  hours = join(",", range(0, 24, var.run_every_hours))
  schedules = {
    run     = "cron(0 ${local.hours} * * ? *)"
    compact = var.compact_schedule
    quality = "cron(45 ${local.hours} * * ? *)"
  }

  run_seconds = var.run_every_hours * 3600
  # Two intervals, and the hour that the last run may take.
  silent_hours  = 2 * var.run_every_hours + 1
  stale_seconds = 3600 * (var.freshness_alarm_hours != null ? var.freshness_alarm_hours : 2 * var.run_every_hours + 2)
}
