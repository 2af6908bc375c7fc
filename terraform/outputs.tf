output "lake" {
  description = "Where the lake is: for --s3-bucket of any command of yours."
  value       = local.environment.S3_BUCKET
}

output "image" {
  description = "The image that the tasks run, once it is pushed."
  value       = local.image
}

output "dashboard" {
  description = "The page to look at."
  value       = "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${var.name}"
}

# The next commands, in the order in which they are wanted: terraform output -raw push_image

output "push_image" {
  description = "1. Build the image and push it (from the folder terraform/)."
  value       = <<-SH
    aws ecr get-login-password --region ${var.region} | docker login --username AWS --password-stdin ${split("/", local.image)[0]}
    docker buildx build --platform ${var.architecture == "ARM64" ? "linux/arm64" : "linux/amd64"} --provenance=false -t ${local.image} --push ..
  SH
}

output "first_run" {
  description = "2. The first run now, instead of at the next full hours."
  value       = <<-SH
    aws ecs run-task --region ${var.region} --cluster ${var.name} --task-definition ${var.name}-run --capacity-provider-strategy capacityProvider=${local.capacity_provider},weight=1 --network-configuration 'awsvpcConfiguration={subnets=[${join(",", aws_subnet.public[*].id)}],securityGroups=[${aws_security_group.tasks.id}],assignPublicIp=ENABLED}'
    aws logs tail ${local.log_group} --region ${var.region} --follow
  SH
}

output "first_query" {
  description = "3. The first query, of what was published."
  value       = <<-SH
    query=$(aws athena start-query-execution --region ${var.region} --work-group ${local.workgroup} --query-execution-context Database=${var.database} --query-string 'SELECT exchange, symbol, count(*) AS trades, max(trade_ts) AS last_ts FROM trades GROUP BY exchange, symbol' --query QueryExecutionId --output text)
    sleep 10
    aws athena get-query-results --region ${var.region} --query-execution-id "$query" --output text
  SH
}

output "quality_now" {
  description = "The quality checks, now."
  value       = "aws lambda invoke --region ${var.region} --function-name ${local.quality_function} --cli-read-timeout 900 /dev/stdout"
}

output "task_definitions" {
  description = "The jobs, for `aws ecs run-task --task-definition`."
  value       = { for name, task in aws_ecs_task_definition.task : name => task.family }
}

output "roles" {
  description = "The role of each job."
  value       = merge({ for name, role in aws_iam_role.task : name => role.arn }, { quality = aws_iam_role.quality.arn })
}
