# One page: is it complete, does it run, do the exchanges answer, what grows. Rows of 24 columns.
# Figures of single markets are no metrics (a metric a market would cost $0.30 a month each): the
# last panels read them from the log.

locals {
  # A figure's last value, however long ago the last run was: up to two intervals.
  last = { region = var.region, view = "singleValue", stat = "Maximum", period = local.run_seconds, setPeriodToTimeRange = false, sparkline = false }
  day  = { region = var.region, view = "singleValue", stat = "Sum", period = 86400 }
  time = { region = var.region, view = "timeSeries", stacked = false, period = local.run_seconds }

  function_dimension = ["FunctionName", local.quality_function]

  headline = [
    { title = "Trades", metrics = [["SchemaHub", "TotalTrades", { label = "trades" }]] },
    { title = "Parquet, GB", metrics = [
      [{ expression = "parquet/1000000000", label = "GB" }],
      ["SchemaHub", "ParquetBytes", { id = "parquet", visible = false }],
    ] },
    { title = "Span, years", metrics = [
      [{ expression = "days/365.25", label = "years" }],
      ["SchemaHub", "SpanDays", { id = "days", visible = false }],
    ] },
    { title = "Active markets", metrics = [["SchemaHub", "ActiveMarkets", { label = "markets" }]] },
    { title = "Health score", metrics = [["SchemaHub", "HealthScore", { label = "of 100", stat = "Minimum" }]] },
    { title = "Trades a day", metrics = [["SchemaHub", "TradesPerDay", { label = "trades" }]] },
  ]

  operations = [
    { title = "Runs, 24 h", metrics = [
      ["SchemaHub", "RunsOk", { label = "ok", color = "#2ca02c" }],
      ["SchemaHub", "RunsFailed", { label = "failed", color = "#d62728" }],
    ] },
    { title = "Ingested, 24 h", metrics = [["SchemaHub", "TradesIngested", { label = "trades" }]] },
    { title = "Markets processed, 24 h", metrics = [
      ["SchemaHub", "MarketsProcessed", { label = "done" }],
      ["SchemaHub", "MarketsFailed", { label = "failed", color = "#d62728" }],
    ] },
    { title = "Quality function, 24 h", metrics = [
      concat(["AWS/Lambda", "Invocations"], local.function_dimension, [{ label = "runs" }]),
      concat(["AWS/Lambda", "Errors"], local.function_dimension, [{ label = "errors", color = "#d62728" }]),
    ] },
  ]

  # Over time, three a row.
  charts = concat(local.charts_of_runs, local.charts_of_exchanges, local.charts_of_data)

  charts_of_runs = [
    { title = "Runs", metrics = [
      ["SchemaHub", "RunsOk", { stat = "Sum", label = "ok", color = "#2ca02c" }],
      ["SchemaHub", "RunsFailed", { stat = "Sum", label = "failed", color = "#d62728" }],
    ] },
    { title = "Duration, s", metrics = concat(
      [for command in keys(local.tasks) : ["SchemaHub", "RunSeconds", "command", command, { stat = "Maximum", label = command }]],
      [["SchemaHub", "QualitySeconds", { stat = "Maximum", label = "quality" }]],
    ) },
    { title = "Ingested and processed", metrics = [
      ["SchemaHub", "TradesIngested", { stat = "Sum", label = "trades" }],
      ["SchemaHub", "MarketsProcessed", { stat = "Sum", label = "markets", yAxis = "right" }],
      ["SchemaHub", "MarketsFailed", { stat = "Sum", label = "markets failed", yAxis = "right", color = "#d62728" }],
    ] },
  ]

  answers = {
    RequestsOk          = "ok"
    RequestsThrottled   = "429"
    RequestsServerError = "5xx"
    RequestsTimeout     = "timeout"
    RequestsConnection  = "connection"
  }

  charts_of_exchanges = [
    { title = "Answers", metrics = concat([for exchange in var.exchanges : [for metric, label in local.answers :
      ["SchemaHub", metric, "exchange", exchange, { stat = "Sum", label = "${exchange} ${label}" }]
    ]]...) },
    { title = "Breakers", metrics = concat(
      [for exchange in var.exchanges : ["SchemaHub", "BreakerOpened", "exchange", exchange, { stat = "Sum", label = "${exchange} opened" }]],
      [for exchange in var.exchanges : ["SchemaHub", "BreakerOpen", "exchange", exchange, { stat = "Maximum", label = "${exchange} open now" }]],
    ) },
    { title = "Response time, s", metrics = concat(
      [for exchange in var.exchanges : ["SchemaHub", "ResponseSeconds", "exchange", exchange, { stat = "Average", label = "${exchange} mean" }]],
      [for exchange in var.exchanges : ["SchemaHub", "ResponseSeconds", "exchange", exchange, { stat = "p99", label = "${exchange} p99" }]],
    ) },
  ]

  charts_of_data = [
    { title = "Complete, %", metrics = [["SchemaHub", "CompletenessPercent", { stat = "Minimum", label = "%" }]] },
    { title = "Missing trades", metrics = [["SchemaHub", "MissingTrades", { stat = "Maximum", label = "missing", color = "#d62728" }]] },
    { title = "Trades in total", metrics = [["SchemaHub", "TotalTrades", { stat = "Maximum", label = "trades" }]] },
    { title = "Records a day", period = 86400, metrics = [
      ["SchemaHub", "RowsWritten", { stat = "Sum", label = "rows written" }],
      ["SchemaHub", "RowsQuarantined", { stat = "Sum", label = "quarantined", yAxis = "right", color = "#d62728" }],
    ] },
    { title = "Stored, bytes", metrics = [
      ["SchemaHub", "RawBytes", { stat = "Maximum", label = "raw" }],
      ["SchemaHub", "ParquetBytes", { stat = "Maximum", label = "Parquet" }],
      ["SchemaHub", "BytesStored", { stat = "Sum", label = "written by runs", yAxis = "right" }],
    ] },
    { title = "Checks, freshness", metrics = [
      ["SchemaHub", "ChecksFailed", { stat = "Maximum", label = "failed", color = "#d62728" }],
      ["SchemaHub", "ChecksWarned", { stat = "Maximum", label = "warned", color = "#ff7f0e" }],
      ["SchemaHub", "OldestMarketSeconds", { stat = "Maximum", label = "stalest market, s", yAxis = "right" }],
    ] },
  ]

  # Events `market.done`: one for each market of each run.
  activity = [
    { title = "Trades by market", view = "table", query = "fields market, trades | filter event = 'market.done' | stats sum(trades) as ingested, sum(missing) as missing, max(watermark) as watermark, avg(seconds) as mean_seconds by market | sort ingested desc | limit 50" },
    { title = "Trades over time, by market", view = "timeSeries", query = "filter event = 'market.done' | stats sum(trades) by bin(${var.run_every_hours}h), market" },
  ]

  widgets = concat(
    [for n, one in local.headline : {
      type       = "metric", x = n * 4, y = 0, width = 4, height = 4
      properties = merge(local.last, { title = one.title, metrics = one.metrics })
    }],
    [for n, one in local.operations : {
      type       = "metric", x = n * 6, y = 4, width = 6, height = 4
      properties = merge(local.day, { title = one.title, metrics = one.metrics })
    }],
    [for n, one in local.charts : {
      type       = "metric", x = (n % 3) * 8, y = 8 + floor(n / 3) * 6, width = 8, height = 6
      properties = merge(local.time, { title = one.title, metrics = one.metrics }, { period = try(one.period, local.run_seconds) })
    }],
    [for n, one in local.activity : {
      type = "log", x = n * 12, y = 8 + ceil(length(local.charts) / 3) * 6, width = 12, height = 8
      properties = {
        region = var.region, title = one.title, view = one.view
        query  = "SOURCE '${local.log_group}' | ${one.query}"
      }
    }],
  )
}

resource "aws_cloudwatch_dashboard" "main" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ start = "-P7D", periodOverride = "inherit", widgets = local.widgets })
}
