# Metrics are made of the log: CloudWatch finds lines in its embedded metric format (EMF) by
# itself, whatever brought them there, so no agent runs beside the program.

resource "aws_cloudwatch_log_group" "tasks" {
  name              = local.log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_cloudwatch_log_group" "quality" {
  name              = "/aws/lambda/${local.quality_function}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}
