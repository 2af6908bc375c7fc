# Who is told of what, and what it may cost.

variable "log_retention_days" {
  description = "Days that logs are kept; CloudWatch allows certain numbers only."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, ..."
  }
}

variable "alarm_email" {
  description = "Who is told of alarms (must confirm AWS's first mail); empty: nobody, alarms show on the console only."
  type        = string
  default     = ""

  validation {
    condition     = var.alarm_email == "" || can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarm_email))
    error_message = "alarm_email must be an address."
  }
}

variable "billing_alert_email" {
  description = "Who is told of the account's cost; empty: no budget is made."
  type        = string
  default     = ""

  validation {
    condition     = var.billing_alert_email == "" || can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.billing_alert_email))
    error_message = "billing_alert_email must be an address."
  }
}

variable "billing_alert_threshold_increment" {
  description = "USD: a mail whenever this month's cost of the account passes one more of these, up to four."
  type        = number
  default     = 25

  validation {
    condition     = var.billing_alert_threshold_increment >= 1
    error_message = "billing_alert_threshold_increment must be at least 1."
  }
}

variable "freshness_alarm_hours" {
  description = "Hours that a market may go without being asked to its end; null: twice run_every_hours and two more."
  type        = number
  default     = null

  validation {
    condition     = var.freshness_alarm_hours == null ? true : var.freshness_alarm_hours > var.run_every_hours
    error_message = "freshness_alarm_hours must be more than run_every_hours, or every interval would alarm."
  }
}

variable "health_score_threshold" {
  description = "A health score (0 to 100) below this alarms."
  type        = number
  default     = 90

  validation {
    condition     = var.health_score_threshold >= 0 && var.health_score_threshold <= 100
    error_message = "health_score_threshold must be from 0 to 100."
  }
}
