resource "aws_athena_workgroup" "main" {
  name        = local.workgroup
  description = "Queries of the lake, each with a limit of what it may scan"
  # Its history goes with it; results are objects of the lake.
  force_destroy = true

  configuration {
    # Whatever a client asks for, these hold: output below athena/, and the limit.
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.athena_limit_gb * 1000000000

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location       = local.athena_output
      expected_bucket_owner = local.account

      encryption_configuration {
        encryption_option = var.kms_key_arn == null ? "SSE_S3" : "SSE_KMS"
        kms_key_arn       = var.kms_key_arn
      }
    }
  }
}

# Each file's first line, a comment, says what it answers. EXCHANGE stands for the first of
# var.exchanges.
resource "aws_athena_named_query" "query" {
  for_each = fileset("${path.module}/queries", "*.sql")

  name        = trimsuffix(each.key, ".sql")
  description = trimprefix(split("\n", file("${path.module}/queries/${each.key}"))[0], "-- ")
  workgroup   = aws_athena_workgroup.main.name
  database    = aws_glue_catalog_database.lake.name
  query       = replace(file("${path.module}/queries/${each.key}"), "EXCHANGE", var.exchanges[0])
}
