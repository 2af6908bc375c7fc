terraform {
  # 1.11: a lock of the remote state as an object beside it; validations that look at other variables.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.36: Iceberg tables with their schema and partitions (`iceberg_table_input`).
      version = ">= 6.36, < 7.0"
    }
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.5, < 3.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = merge({ Project = var.name, ManagedBy = "terraform" }, var.tags)
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_availability_zones" "available" {
  state = "available"

  # Local and wavelength zones have neither Fargate Spot nor gateway endpoints.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}
