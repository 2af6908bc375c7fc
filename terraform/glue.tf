resource "aws_glue_catalog_database" "lake" {
  name         = var.database
  description  = "SchemaHub's lake ${local.environment.S3_BUCKET}"
  location_uri = "s3://${local.bucket}/${var.lake_prefix}/iceberg/"
}

locals {
  # UNIFIED_SCHEMA of src/schemahub/core/trade.py in Iceberg's types; a test holds them together.
  unified_schema = [
    { name = "exchange", type = "string", required = true, doc = "lower-case id, as the spec file" },
    { name = "symbol", type = "string", required = true, doc = "canonical BASE-QUOTE, upper case" },
    { name = "trade_id", type = "long", required = false, doc = "the exchange's own integer id" },
    { name = "trade_ref", type = "string", required = false, doc = "its id where that is not an integer" },
    { name = "side", type = "string", required = false, doc = "the taker's (aggressor's) side: buy or sell" },
    { name = "price", type = "decimal(38,12)", required = true, doc = "always > 0" },
    { name = "quantity", type = "decimal(38,12)", required = true, doc = "always > 0" },
    { name = "trade_ts", type = "timestamptz", required = true, doc = "when it was executed, by the exchange" },
    { name = "ingest_ts", type = "timestamptz", required = true, doc = "when the answer was received" },
  ]
}

# Empty at first, so that a query before the first run says "no rows" and not "no such table".
# From then on it is `schemahub publish` that commits to it; the data files are the lake's parts.
resource "aws_glue_catalog_table" "trades" {
  name          = "trades"
  database_name = aws_glue_catalog_database.lake.name
  depends_on    = [aws_s3_bucket_policy.lake]

  open_table_format_input {
    iceberg_input {
      metadata_operation = "CREATE"
      version            = "2"

      iceberg_table_input {
        location = "s3://${local.bucket}/${var.lake_prefix}/iceberg/trades"

        schema {
          schema_id = 0
          type      = "struct"

          dynamic "fields" {
            for_each = local.unified_schema

            content {
              id       = fields.key + 1
              name     = fields.value.name
              required = fields.value.required
              type     = jsonencode(fields.value.type)
              doc      = fields.value.doc
            }
          }
        }

        partition_spec {
          spec_id = 0

          fields {
            field_id  = 1000
            source_id = 1
            name      = "exchange"
            transform = "identity"
          }

          fields {
            field_id  = 1001
            source_id = 2
            name      = "symbol"
            transform = "identity"
          }
        }
      }
    }
  }

  lifecycle {
    # Each commit of publish changes the entry: Terraform makes it, and leaves it alone.
    ignore_changes = all
  }
}

# The answers of the exchanges as they came, one a line. `symbol` is no column but the folder:
# a query must name it (`WHERE symbol = 'BTC-USD'`), and so never reads all of raw by mistake.
# Rows without `at` are origins, which lie in the same folders.
resource "aws_glue_catalog_table" "raw" {
  for_each = toset(var.exchanges)

  name          = "raw_${each.key}_trades"
  database_name = aws_glue_catalog_database.lake.name
  description   = "Answers of ${each.key}, verbatim"
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    "EXTERNAL"                  = "TRUE"
    "classification"            = "json"
    "compressionType"           = "zstd"
    "projection.enabled"        = "true"
    "projection.symbol.type"    = "injected"
    "storage.location.template" = "s3://${local.bucket}/${var.lake_prefix}/raw_${each.key}_trades/$${symbol}/"
  }

  partition_keys {
    name = "symbol"
    type = "string"
  }

  storage_descriptor {
    location      = "s3://${local.bucket}/${var.lake_prefix}/raw_${each.key}_trades/"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
    compressed    = true

    ser_de_info {
      # This one hands an object on as its text where the column is a string: body stays whole.
      serialization_library = "org.openx.data.jsonserde.JsonSerDe"
      parameters            = { "case.insensitive" = "true" }
    }

    dynamic "columns" {
      for_each = [
        { name = "at", type = "string", comment = "when the answer was received, ISO, UTC" },
        { name = "url", type = "string", comment = "what was asked" },
        { name = "status", type = "int", comment = "of HTTP" },
        { name = "date", type = "string", comment = "the server's Date" },
        { name = "body", type = "string", comment = "the answer, if it is JSON on one line" },
        { name = "text", type = "string", comment = "the answer, if it is other text" },
        { name = "base64", type = "string", comment = "the answer, if it is not UTF-8" },
      ]

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }
  }
}
