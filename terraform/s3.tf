# The lake. What it holds and what a name says: docs/architecture.md, "Layout of a lake".

resource "aws_s3_bucket" "lake" {
  bucket        = local.bucket
  force_destroy = var.delete_data_on_destroy
}

resource "aws_s3_bucket_public_access_block" "lake" {
  bucket                  = aws_s3_bucket.lake.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# Data objects are never replaced, but a person can delete them: versions bring them back.
resource "aws_s3_bucket_versioning" "lake" {
  bucket = aws_s3_bucket.lake.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    # With a key of one's own, one call of KMS serves many objects: without, each costs one.
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

# Nothing here moves an object where reading it takes hours, and nothing expires that a run,
# `rebuild`, `verify` or a report reads: only old versions, halves of uploads, query results.
resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket     = aws_s3_bucket.lake.id
  depends_on = [aws_s3_bucket_versioning.lake]

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_version_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "halves-of-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  rule {
    id     = "query-results"
    status = "Enabled"

    filter {
      prefix = "${var.lake_prefix}/athena/"
    }

    expiration {
      days = var.athena_results_days
    }
  }

  dynamic "rule" {
    for_each = var.raw_storage_class == "STANDARD" ? [] : [var.raw_storage_class]

    content {
      id     = "older-raw"
      status = "Enabled"

      filter {
        and {
          prefix = "${var.lake_prefix}/raw_"
          # Both classes count a small object as 128 KiB: origins and markers stay.
          object_size_greater_than = 131072
        }
      }

      transition {
        days          = var.raw_storage_class_days
        storage_class = rule.value
      }
    }
  }
}

resource "aws_s3_bucket_policy" "lake" {
  bucket     = aws_s3_bucket.lake.id
  depends_on = [aws_s3_bucket_public_access_block.lake]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.arn.bucket, "${local.arn.bucket}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        # The promise that data objects never change, kept by the storage too: whoever writes
        # one, the owner included, must say "only if it is not there".
        Sid       = "DataIsCreatedNeverReplaced"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource = [for folder in ["raw_*", "unified_trades", "bars_1m"] :
          "${local.arn.lake}/${folder}/*"
        ]
        Condition = {
          Null = { "s3:if-none-match" = "true" }
          # Parts of a multipart upload cannot carry the header: false for them, true for
          # PutObject and for CompleteMultipartUpload, which makes the object.
          Bool = { "s3:ObjectCreationOperation" = "true" }
        }
      },
    ]
  })
}
