"""Creates a stack in each of twenty member accounts, as anybody would with boto3.

Usage: twenty_accounts.py [NAME]

Lists the organization's accounts, assumes OrganizationAccountAccessRole in the
first twenty that aren't the caller's own, and creates the stack NAME (default
"hello") in each. Prints a line "ACCOUNT TOPIC-ARN" for each, sorted.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import boto3

TEMPLATE = """
Resources:
  Topic: {Type: AWS::SNS::Topic}
Outputs:
  TopicArn: {Value: !Ref Topic}
"""


def create(account, name):
    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    session = boto3.Session()  # one for each thread
    keys = session.client("sts").assume_role(RoleArn=role, RoleSessionName="twenty")["Credentials"]
    cfn = session.client("cloudformation", aws_access_key_id=keys["AccessKeyId"],
                         aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
    cfn.create_stack(StackName=name, TemplateBody=TEMPLATE)
    cfn.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    outputs = cfn.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    return f"{account} {outputs[0]['OutputValue']}"


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "hello"
    me = boto3.client("sts").get_caller_identity()["Account"]
    pages = boto3.client("organizations").get_paginator("list_accounts").paginate()
    accounts = [a["Id"] for page in pages for a in page["Accounts"] if a["State"] == "ACTIVE" and a["Id"] != me]
    with ThreadPoolExecutor(max_workers=5) as pool:
        print("\n".join(sorted(pool.map(lambda a: create(a, name), accounts[:20]))))


if __name__ == "__main__":
    main()
