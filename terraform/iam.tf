# One role a job, with what that job does and no more. What each may do in the lake is the table
# below: objects by the folders of docs/architecture.md, "Layout of a lake".
#
# Raw is never deleted, by nobody. Data that raw makes again (parts, bars, quarantine) only
# compact and repair delete. What the others delete is no data: the object by which a bucket is
# tried out, checkpoints (caches of a listing), bars beside a part (derived from it, made anew).

locals {
  raw        = "raw_*/*"
  parts      = "unified_trades/*"
  bars       = "bars_1m/*"
  quarantine = "quarantine/*"
  cache      = "checkpoints/*"
  runs       = "runs/*"
  seeds      = "seeds/*"
  trial      = "probe-*"
  iceberg    = "iceberg/*"
  # Evidence of absence, not answers that hold trades: what repair found corrupt is asked anew.
  evidence = ["raw_*/*.absent.jsonl.zst", "raw_*/*.seen.*.jsonl.zst"]

  access = {
    ingest = {
      read   = [local.raw, local.quarantine, local.cache, local.runs, local.seeds, local.trial]
      write  = [local.raw, local.quarantine, local.cache, local.runs, local.seeds, local.trial]
      delete = [local.cache, local.trial]
      glue   = "none"
    }
    transform = {
      read   = [local.raw, local.parts, local.bars, local.quarantine, local.cache, local.runs]
      write  = [local.parts, local.bars, local.quarantine, local.runs]
      delete = [local.bars]
      glue   = "none"
    }
    run = {
      read   = [local.raw, local.parts, local.bars, local.quarantine, local.cache, local.runs, local.seeds, local.trial, local.iceberg]
      write  = [local.raw, local.parts, local.bars, local.quarantine, local.cache, local.runs, local.trial, local.iceberg]
      delete = [local.bars, local.cache, local.trial, local.iceberg]
      glue   = "write"
    }
    compact = {
      # Iceberg's metadata too: no part goes that a snapshot names.
      read   = [local.raw, local.parts, local.bars, local.quarantine, local.cache, local.runs, local.iceberg]
      write  = [local.parts, local.bars, local.quarantine, local.runs]
      delete = [local.parts, local.bars, local.quarantine]
      glue   = "read"
    }
    repair = {
      read   = [local.raw, local.parts, local.bars, local.quarantine, local.cache, local.runs]
      write  = [local.raw, local.parts, local.bars, local.quarantine, local.cache, local.runs]
      delete = concat([local.parts, local.bars, local.quarantine, local.cache], local.evidence)
      glue   = "none"
    }
  }

  glue_actions = {
    none  = []
    read  = ["glue:GetTable"]
    write = ["glue:GetDatabase", "glue:GetTable", "glue:CreateTable", "glue:UpdateTable"]
  }
  glue_arns = [
    "${local.arn.glue}:catalog",
    "${local.arn.glue}:database/${var.database}",
    "${local.arn.glue}:table/${var.database}/*",
  ]

  # A key of one's own must also let those read and write who use it.
  key_statements = var.kms_key_arn == null ? [] : [{
    Sid      = "Key"
    Effect   = "Allow"
    Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource = [var.kms_key_arn]
  }]
}

# ---------------------------------------------------------------- tasks

resource "aws_iam_role" "task" {
  for_each = local.tasks

  name        = "${var.name}-${each.key}"
  description = "schemahub ${each.key}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      # Only for tasks of this account: not on another's behalf.
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${var.region}:${local.account}:*" }
      }
    }]
  })
}

resource "aws_iam_role_policy" "task" {
  for_each = local.tasks

  name = "lake"
  role = aws_iam_role.task[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "List"
          Effect    = "Allow"
          Action    = ["s3:ListBucket"]
          Resource  = [local.arn.bucket]
          Condition = { StringLike = { "s3:prefix" = ["${var.lake_prefix}/*"] } }
        },
        {
          Sid      = "Read"
          Effect   = "Allow"
          Action   = ["s3:GetObject"]
          Resource = [for names in local.access[each.key].read : "${local.arn.lake}/${names}"]
        },
        {
          Sid      = "Write"
          Effect   = "Allow"
          Action   = ["s3:PutObject"]
          Resource = [for names in local.access[each.key].write : "${local.arn.lake}/${names}"]
        },
        {
          Sid      = "Delete"
          Effect   = "Allow"
          Action   = ["s3:DeleteObject"]
          Resource = [for names in local.access[each.key].delete : "${local.arn.lake}/${names}"]
        },
        {
          Sid      = "Leases"
          Effect   = "Allow"
          Action   = ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
          Resource = [local.arn.leases]
        },
      ],
      local.access[each.key].glue == "none" ? [] : [{
        Sid      = "Catalog"
        Effect   = "Allow"
        Action   = local.glue_actions[local.access[each.key].glue]
        Resource = local.glue_arns
      }],
      local.key_statements,
    )
  })
}

# What ECS itself does before the program begins: the image, the log.
resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  description        = "Pulls the image and writes the log"
  assume_role_policy = aws_iam_role.task["run"].assume_role_policy
}

resource "aws_iam_role_policy" "execution" {
  name = "start"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Login"
        Effect = "Allow"
        # A token is not of a repository: there is nothing to narrow it to.
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"]
      },
      {
        Sid      = "Pull"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = [local.arn.images]
      },
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${local.arn.logs}:${local.log_group}:*"]
      },
    ]
  })
}

# ---------------------------------------------------------------- quality

resource "aws_iam_role" "quality" {
  name        = "${var.name}-quality"
  description = "The quality checks through Athena"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "quality" {
  name = "checks"
  role = aws_iam_role.quality.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid    = "Query"
          Effect = "Allow"
          Action = [
            "athena:GetQueryExecution",
            "athena:GetQueryResults",
            "athena:StartQueryExecution",
            "athena:StopQueryExecution",
          ]
          Resource = [local.arn.workgroup]
        },
        {
          # Athena reads catalog and lake in the name of whoever asks.
          Sid      = "Catalog"
          Effect   = "Allow"
          Action   = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartition", "glue:GetPartitions"]
          Resource = local.glue_arns
        },
        {
          Sid      = "Bucket"
          Effect   = "Allow"
          Action   = ["s3:GetBucketLocation"]
          Resource = [local.arn.bucket]
        },
        {
          Sid       = "List"
          Effect    = "Allow"
          Action    = ["s3:ListBucket"]
          Resource  = [local.arn.bucket]
          Condition = { StringLike = { "s3:prefix" = ["${var.lake_prefix}/*"] } }
        },
        {
          Sid    = "Read"
          Effect = "Allow"
          Action = ["s3:GetObject"]
          Resource = [for names in [local.parts, local.bars, local.iceberg, "athena/*"] :
            "${local.arn.lake}/${names}"
          ]
        },
        {
          Sid      = "Results"
          Effect   = "Allow"
          Action   = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"]
          Resource = ["${local.arn.lake}/athena/*"]
        },
        {
          Sid      = "Report"
          Effect   = "Allow"
          Action   = ["s3:PutObject"]
          Resource = ["${local.arn.lake}/quality/*"]
        },
        {
          Sid      = "Log"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${local.arn.logs}:/aws/lambda/${local.quality_function}:*"]
        },
      ],
      local.key_statements,
    )
  })
}

# ---------------------------------------------------------------- scheduler

resource "aws_iam_role" "scheduler" {
  name        = "${var.name}-scheduler"
  description = "Starts tasks and the quality function"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  name = "start"
  role = aws_iam_role.scheduler.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid    = "Run"
          Effect = "Allow"
          Action = ["ecs:RunTask"]
          # Of any revision: the schedule names the newest.
          Resource  = [for name in ["run", "compact"] : "${local.arn.tasks}-${name}:*"]
          Condition = { ArnEquals = { "ecs:cluster" = local.arn.cluster } }
        },
        {
          Sid       = "Tag"
          Effect    = "Allow"
          Action    = ["ecs:TagResource"]
          Resource  = ["arn:${local.partition}:ecs:${var.region}:${local.account}:task/${var.name}/*"]
          Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
        },
        {
          Sid       = "PassRoles"
          Effect    = "Allow"
          Action    = ["iam:PassRole"]
          Resource  = [for name in ["run", "compact", "execution"] : "${local.arn.roles}/${var.name}-${name}"]
          Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
        },
        {
          Sid      = "Invoke"
          Effect   = "Allow"
          Action   = ["lambda:InvokeFunction"]
          Resource = [local.arn.lambda]
        },
        {
          Sid      = "DeadLetters"
          Effect   = "Allow"
          Action   = ["sqs:SendMessage"]
          Resource = [local.arn.dlq]
        },
      ],
      local.key_statements,
    )
  })
}
