# A mail at every step. Of the whole account: what a deployment costs can be told apart only
# where its tags are activated for cost allocation, which an account does by hand.
resource "aws_budgets_budget" "month" {
  count = var.billing_alert_email == "" ? 0 : 1

  name         = "${var.name}-month"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = tostring(4 * var.billing_alert_threshold_increment)

  # A budget has at most five notifications: four steps, and the first one foreseen.
  dynamic "notification" {
    for_each = range(1, 5)

    content {
      notification_type          = "ACTUAL"
      comparison_operator        = "GREATER_THAN"
      threshold_type             = "ABSOLUTE_VALUE"
      threshold                  = notification.value * var.billing_alert_threshold_increment
      subscriber_email_addresses = [var.billing_alert_email]
    }
  }

  notification {
    notification_type          = "FORECASTED"
    comparison_operator        = "GREATER_THAN"
    threshold_type             = "ABSOLUTE_VALUE"
    threshold                  = var.billing_alert_threshold_increment
    subscriber_email_addresses = [var.billing_alert_email]
  }
}
