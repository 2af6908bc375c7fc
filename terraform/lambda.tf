# The quality checks, through Athena. The function is the program's own source and Python's
# standard library with boto3: no image needs to be there for it.

data "archive_file" "source" {
  type             = "zip"
  source_dir       = "${path.module}/../src"
  output_path      = "${path.module}/.build/schemahub.zip"
  output_file_mode = "0644"
  # What a checkout grows; without it the same source is the same zip.
  excludes = ["**/__pycache__/**", "**/*.pyc", "**/.mypy_cache/**", "**/.ruff_cache/**", "**/*.egg-info/**"]
}

resource "aws_lambda_function" "quality" {
  function_name    = local.quality_function
  description      = "Checks the published table through Athena; metrics, and a report in the lake"
  role             = aws_iam_role.quality.arn
  filename         = data.archive_file.source.output_path
  source_code_hash = data.archive_file.source.output_base64sha256
  handler          = "schemahub.aws.quality.handler"
  runtime          = "python3.13"
  architectures    = ["arm64"]
  memory_size      = var.lambda_memory
  # The most there is: a dozen queries one after another, each with its place in Athena's queue.
  timeout     = 900
  kms_key_arn = var.kms_key_arn

  environment {
    # AWS_REGION is set by Lambda itself and may not be set here.
    variables = local.environment
  }

  logging_config {
    # The lines are JSON already, and metrics are read from them as they are.
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.quality.name
  }

  depends_on = [aws_iam_role_policy.quality]
}

# No second try: it would read the same again, for the same money, and find the same. The alarm
# quality-errors tells, and the next schedule asks anew. Throttled starts are tried for an hour.
resource "aws_lambda_function_event_invoke_config" "quality" {
  function_name                = aws_lambda_function.quality.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 3600
}
