# Who is told, and when. `treat_missing_data` says what silence means, and differs on purpose:
# a run that never happened is a failure, an exchange that nobody asked has no open breaker.
#
# Where silence is what to alarm on, periods are hours: CloudWatch looks further back than
# `periods` for values before it counts a missing one, by a few periods. Of six hours each,
# that would be a day late.

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsAndEvents"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = local.arn.alarms
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  count = var.alarm_email == "" ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

locals {
  alarms = {
    "run-missing" = {
      description = "No run succeeded in two intervals: was one started (dead letters, task events), and what does its log say?"
      namespace   = "SchemaHub", metric = "RunsOk", dimensions = { command = "run" }
      statistic   = "Sum", comparison = "LessThanThreshold", threshold = 1
      period      = 3600, periods = local.silent_hours
      # No run, no metric: exactly what this alarm is for.
      missing = "breaching"
    }
    "run-failed" = {
      description = "A run failed. Its log and `schemahub runs show LAST` say why; the next run goes on from there."
      namespace   = "SchemaHub", metric = "RunsFailed", dimensions = {}
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
      period      = 3600, periods = 1
      # Between runs nothing is told, and nothing failed; run-missing sees to the rest.
      missing = "notBreaching"
    }
    "stale" = {
      description = "A market was not asked to its end for longer than it may be: which one, `schemahub status` and the check `freshness` say."
      namespace   = "SchemaHub", metric = "OldestMarketSeconds", dimensions = {}
      statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = local.stale_seconds
      period      = local.run_seconds, periods = 1
      # Nobody looked: what was stale still is. That nobody looked is quality-low's to tell.
      missing = "ignore"
    }
    "trades-missing" = {
      description = "Trades are known to be missing: `schemahub verify` says which, `schemahub repair` fetches them."
      namespace   = "SchemaHub", metric = "MissingTrades", dimensions = {}
      statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
      # Two in a row: a hole is fetched by the run that follows, and then was none.
      period = local.run_seconds, periods = 2
      # As stale: a hole does not close because nobody looks.
      missing = "ignore"
    }
    "quality-low" = {
      description = "For two intervals the health score was below its threshold, or no check ran."
      namespace   = "SchemaHub", metric = "HealthScore", dimensions = {}
      statistic   = "Minimum", comparison = "LessThanThreshold", threshold = var.health_score_threshold
      period      = 3600, periods = local.silent_hours
      # A watcher that is silent must not look like good health.
      missing = "breaching"
    }
    "quality-errors" = {
      description = "The quality function found errors, could not run a check or find a figure, or ran out of time: its log and its report say which."
      namespace   = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = local.quality_function }
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
      period      = 3600, periods = 1
      missing     = "notBreaching"
    }
    "dead-letters" = {
      description = "A task or function could not be started, after all tries: the message in the queue says why."
      namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = local.dead_letters }
      statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
      period      = 300, periods = 1
      # SQS tells nothing of a queue that was idle for hours: it is empty.
      missing = "notBreaching"
    }
  }

  breakers = { for exchange in var.exchanges : "breaker-${exchange}" => {
    description = "A run ended with the breaker of ${exchange} open: it refuses or fails, and was left alone."
    namespace   = "SchemaHub", metric = "BreakerOpen", dimensions = { exchange = exchange }
    statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
    period      = 3600, periods = 1
    # Not asked, not refused.
    missing = "notBreaching"
  } }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = merge(local.alarms, local.breakers)

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# A task that cannot tell its own end: no image, no memory, killed. Exit code 5 is no failure
# (another run holds the lease), nor is 143 (Spot took the machine back, and it ended in order).
resource "aws_cloudwatch_event_rule" "task_failed" {
  name        = "${var.name}-task-failed"
  description = "A task did not start, or ended with an error"

  event_pattern = jsonencode({
    source        = ["aws.ecs"]
    "detail-type" = ["ECS Task State Change"]
    detail = {
      clusterArn = [local.arn.cluster]
      lastStatus = ["STOPPED"]
      "$or" = [
        { stopCode = ["TaskFailedToStart"] },
        { containers = { exitCode = [{ "anything-but" = [0, 5, 143] }] } },
      ]
    }
  })
}

resource "aws_cloudwatch_event_target" "task_failed" {
  rule = aws_cloudwatch_event_rule.task_failed.name
  arn  = aws_sns_topic.alarms.arn

  input_transformer {
    input_paths = {
      task   = "$.detail.taskArn"
      group  = "$.detail.group"
      reason = "$.detail.stoppedReason"
    }
    # A JSON string: what AWS puts into <...> may hold anything.
    input_template = "\"Task <task> of <group> failed: <reason>\""
  }
}
