# What is deployed, where, and under which names. Sizes and times: variables_tasks.tf;
# alarms and money: variables_watch.tf.

variable "region" {
  description = "AWS region of everything. Near the exchanges is faster; any works."
  type        = string
  default     = "eu-central-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region's code, such as eu-central-1."
  }
}

variable "name" {
  description = "What the names of all resources begin with. Two deployments in one account need two."
  type        = string
  default     = "schemahub"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 24 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "tags" {
  description = "Tags of every resource, beside Project and ManagedBy."
  type        = map(string)
  default     = {}
}

variable "bucket_name" {
  description = "The bucket of the lake, new and unique in the world; empty: NAME-ACCOUNT-REGION."
  type        = string
  default     = ""

  validation {
    # No dots: the certificate of S3's names of hosts covers one label.
    condition     = var.bucket_name == "" || can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name must be 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "lake_prefix" {
  description = "Where in the bucket the lake is."
  type        = string
  default     = "schemahub"

  validation {
    condition     = can(regex("^[A-Za-z0-9=_-][A-Za-z0-9.=_-]*(/[A-Za-z0-9=_-][A-Za-z0-9.=_-]*)*$", var.lake_prefix))
    error_message = "lake_prefix must be a prefix of keys without a slash at either end, such as schemahub."
  }
}

variable "database" {
  description = "Glue database; in Athena the first part of a table's name."
  type        = string
  default     = "schemahub"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,127}$", var.database))
    error_message = "database must be lower-case letters, digits and _, beginning with a letter."
  }
}

variable "exchanges" {
  description = "Exchanges that get a raw table, an alarm of their breaker, and lines on the dashboard."
  type        = list(string)
  default     = ["coinbase"]

  validation {
    condition = (
      length(var.exchanges) > 0 &&
      length(distinct(var.exchanges)) == length(var.exchanges) &&
      alltrue([for one in var.exchanges : can(regex("^[a-z][a-z0-9_]{0,31}$", one))])
    )
    error_message = "exchanges must be ids as `schemahub exchange list` prints them, each once."
  }
}

variable "markets" {
  description = "What `run` and `ingest` fetch, EXCHANGE:BASE-QUOTE; empty: the seed list of the lake (`update-seed`)."
  type        = list(string)
  default     = ["coinbase:BTC-USD", "coinbase:ETH-USD"]

  validation {
    condition     = alltrue([for one in var.markets : can(regex("^[a-z][a-z0-9_]{0,31}:[A-Z0-9.:_-]{1,64}$", one))])
    error_message = "A market is written EXCHANGE:BASE-QUOTE, such as coinbase:BTC-USD."
  }

  validation {
    condition     = alltrue([for one in var.markets : contains(var.exchanges, split(":", one)[0])])
    error_message = "Every exchange of markets must stand in exchanges, or nothing would watch it."
  }
}

variable "kms_key_arn" {
  description = "KMS key for bucket, leases, logs, images and messages; null: AWS's own keys, which cost nothing. The key's policy must let CloudWatch Logs and SNS use it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (not of an alias)."
  }
}

variable "delete_data_on_destroy" {
  description = "Whether `terraform destroy` may delete the lake. While it is false, destroy removes all but the bucket."
  type        = bool
  default     = false
}

variable "noncurrent_version_days" {
  description = "Days that a deleted or replaced object can still be had back."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_version_days >= 1 && floor(var.noncurrent_version_days) == var.noncurrent_version_days
    error_message = "noncurrent_version_days must be a whole number from 1."
  }
}

variable "raw_storage_class" {
  description = "Class that raw moves to: STANDARD (stays), INTELLIGENT_TIERING or STANDARD_IA. All are read at once; archives are not offered, because rebuild and verify read raw."
  type        = string
  default     = "STANDARD"

  validation {
    condition     = contains(["STANDARD", "INTELLIGENT_TIERING", "STANDARD_IA"], var.raw_storage_class)
    error_message = "raw_storage_class must be STANDARD, INTELLIGENT_TIERING or STANDARD_IA."
  }
}

variable "raw_storage_class_days" {
  description = "Days after which raw moves there."
  type        = number
  default     = 90

  validation {
    # STANDARD_IA takes nothing younger.
    condition     = var.raw_storage_class_days >= 30 && floor(var.raw_storage_class_days) == var.raw_storage_class_days
    error_message = "raw_storage_class_days must be a whole number from 30."
  }
}

variable "athena_results_days" {
  description = "Days that results of queries are kept."
  type        = number
  default     = 7

  validation {
    condition     = var.athena_results_days >= 1 && floor(var.athena_results_days) == var.athena_results_days
    error_message = "athena_results_days must be a whole number from 1."
  }
}

variable "athena_limit_gb" {
  description = "A query that scans more (GB of 10^9 bytes) is cancelled; 10 GB cost about $0.05."
  type        = number
  default     = 10

  validation {
    condition     = var.athena_limit_gb >= 1 && var.athena_limit_gb <= 9999 && floor(var.athena_limit_gb) == var.athena_limit_gb
    error_message = "athena_limit_gb must be a whole number from 1 to 9999."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the network; two subnets are cut out of it."
  type        = string
  default     = "10.83.0.0/24"

  validation {
    condition     = can(cidrsubnet(var.vpc_cidr, 2, 1)) && try(tonumber(split("/", var.vpc_cidr)[1]), 0) >= 16 && try(tonumber(split("/", var.vpc_cidr)[1]), 99) <= 26
    error_message = "vpc_cidr must be an IPv4 range from /16 to /26, such as 10.83.0.0/24."
  }
}
