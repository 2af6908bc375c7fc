# `terraform test` in this folder: what follows from the variables, with no account.

mock_provider "aws" {
  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "123456789012" }
  }
  override_data {
    target = data.aws_partition.current
    values = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  override_data {
    target = data.aws_availability_zones.available
    values = { names = ["eu-central-1a", "eu-central-1b"] }
  }
}

mock_provider "archive" {}

run "defaults" {
  command = plan

  assert {
    condition     = aws_scheduler_schedule.task["run"].schedule_expression == "cron(0 0,6,12,18 * * ? *)"
    error_message = "The default is every six hours."
  }
  assert {
    condition     = aws_s3_bucket.lake.bucket == "schemahub-123456789012-eu-central-1" && !aws_s3_bucket.lake.force_destroy
    error_message = "The bucket's name, and that destroy keeps it."
  }
  assert {
    condition     = length(aws_budgets_budget.month) == 0 && length(aws_sns_topic_subscription.email) == 0
    error_message = "Without an address nobody is written to."
  }
  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.lake.rule) == 3
    error_message = "Raw stays where it is unless asked."
  }
}

run "daily_on_demand_x86" {
  command = plan

  variables {
    run_every_hours  = 24
    spot             = false
    architecture     = "X86_64"
    cpu              = 4096
    memory           = 8192
    compact_schedule = ""
  }

  assert {
    condition     = aws_scheduler_schedule.task["run"].schedule_expression == "cron(0 0 * * ? *)" && length(aws_scheduler_schedule.task) == 1
    error_message = "Once a day, and no compaction."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.alarm["run-missing"].evaluation_periods == 49 && aws_cloudwatch_metric_alarm.alarm["run-missing"].period == 3600
    error_message = "The alarm follows the schedule: two intervals and an hour."
  }
  assert {
    condition     = strcontains(output.push_image, "linux/amd64")
    error_message = "The image is built for what runs it."
  }
}

run "addresses" {
  command = plan

  variables {
    alarm_email         = "ops@example.com"
    billing_alert_email = "ops@example.com"
  }

  assert {
    condition     = sort([for one in aws_budgets_budget.month[0].notification : tostring(one.threshold) if one.notification_type == "ACTUAL"]) == tolist(["100", "25", "50", "75"])
    error_message = "A mail at 25, 50, 75 and 100 dollars."
  }
}

run "key_of_ones_own" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.task["run"].policy, "kms:GenerateDataKey")
    error_message = "Who writes must be allowed to use the key."
  }
}

run "refuses_what_cannot_be" {
  command = plan

  variables {
    cpu                = 1024
    memory             = 512
    run_every_hours    = 5
    compact_schedule   = "every sunday"
    image_tag          = "latest"
    container_user     = "0"
    log_retention_days = 10
    raw_storage_class  = "GLACIER"
    markets            = ["kraken:BTC-USD"]
  }

  expect_failures = [
    var.memory, var.run_every_hours, var.compact_schedule, var.image_tag, var.container_user,
    var.log_retention_days, var.raw_storage_class, var.markets,
  ]
}
