# Leases, as src/schemahub/adapters/lease_dynamodb.py keeps them. They spare double work;
# nothing depends on them, so a lost table is made anew and no backup is kept.
resource "aws_dynamodb_table" "leases" {
  name         = local.leases_table
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "name"

  attribute {
    name = "name"
    type = "S"
  }

  # Sweeps what nobody renewed for a day. `ttl`, another attribute, is the life of a lease.
  ttl {
    attribute_name = "expires_ttl"
    enabled        = true
  }

  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }
}
