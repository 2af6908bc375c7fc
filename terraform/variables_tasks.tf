# How large the tasks are, and when they run.

variable "image_tag" {
  description = "Tag of the image that the tasks run. Tags are immutable: a new image gets a new tag, and an apply."
  type        = string
  default     = "0.1.0"

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a tag of an image, and say which one: not latest."
  }
}

variable "architecture" {
  description = "ARM64 (a fifth cheaper) or X86_64; the image must be built for it."
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "architecture must be ARM64 or X86_64."
  }
}

variable "container_user" {
  description = "Number of the user that the program runs as; the one that the Dockerfile makes."
  type        = string
  default     = "10001"

  validation {
    condition     = can(regex("^[1-9][0-9]{0,5}(:[1-9][0-9]{0,5})?$", var.container_user))
    error_message = "container_user must be UID or UID:GID, and not root (0)."
  }
}

variable "cpu" {
  description = "CPU units of a task; 1024 are one core."
  type        = number
  default     = 1024

  validation {
    condition     = contains(keys(local.fargate_memory), tostring(var.cpu))
    error_message = "Fargate has tasks of 256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units."
  }
}

variable "memory" {
  description = "MiB of memory of a task; which there are depends on cpu."
  type        = number
  default     = 2048

  validation {
    condition     = contains(lookup(local.fargate_memory, tostring(var.cpu), []), var.memory)
    error_message = "Fargate has no task of this cpu with this memory: for 1024 CPU units 2048 to 8192 MiB in steps of 1024."
  }
}

variable "ephemeral_storage_gb" {
  description = "GiB of disk of a task; 20 are always there and cost nothing."
  type        = number
  default     = 21

  validation {
    condition     = var.ephemeral_storage_gb >= 21 && var.ephemeral_storage_gb <= 200 && floor(var.ephemeral_storage_gb) == var.ephemeral_storage_gb
    error_message = "ephemeral_storage_gb must be a whole number from 21 to 200."
  }
}

variable "spot" {
  description = "Whether tasks run on Spot: a third of the price, stopped with two minutes' notice, and the next run goes on from there."
  type        = bool
  default     = true
}

variable "run_every_hours" {
  description = "Hours between runs, on the clock in UTC: 6 means 0, 6, 12 and 18 o'clock."
  type        = number
  default     = 6

  validation {
    # What divides the day: only so are all intervals alike, which the alarms count on.
    condition     = contains([1, 2, 3, 4, 6, 8, 12, 24], var.run_every_hours)
    error_message = "run_every_hours must be 1, 2, 3, 4, 6, 8, 12 or 24."
  }
}

variable "compact_schedule" {
  description = "When `compact` runs, as EventBridge Scheduler's cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR) in UTC; empty: never."
  type        = string
  default     = "cron(30 2 ? * SUN *)"

  validation {
    condition = var.compact_schedule == "" || (
      can(regex("^cron\\([0-9*,/-]+ [0-9*,/-]+ [0-9*?,/LW-]+ [0-9A-Z*,/-]+ [0-9A-Z*?,/#L-]+ [0-9*,/-]+\\)$", var.compact_schedule)) &&
      # Of day and weekday exactly one is named, the other is `?`.
      length([for field in try(slice(split(" ", trimsuffix(trimprefix(var.compact_schedule, "cron("), ")")), 2, 5), []) : field if field == "?"]) == 1
    )
    error_message = "compact_schedule must be cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR) with `?` as day or as weekday, such as cron(30 2 ? * SUN *)."
  }
}

variable "schedules_enabled" {
  description = "Whether anything runs by itself; false pauses all schedules."
  type        = bool
  default     = true
}

variable "lambda_memory" {
  description = "MB of memory of the quality function, which waits for Athena most of its time."
  type        = number
  default     = 512

  validation {
    condition     = var.lambda_memory >= 128 && var.lambda_memory <= 10240 && floor(var.lambda_memory) == var.lambda_memory
    error_message = "lambda_memory must be a whole number from 128 to 10240."
  }
}
