"""Axle's peer in Python: a bare boto3 script that makes one stack in each
account of the organization, with 16 threads, as one would write it in an hour.

Usage: boto3_loop.py --template FILE [--name NAME] [--role ROLE] [--workers N]
"""

import argparse
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

parser = argparse.ArgumentParser()
parser.add_argument("--template", required=True)
parser.add_argument("--name", default="bench")
parser.add_argument("--role", default="OrganizationAccountAccessRole")
parser.add_argument("--workers", type=int, default=16)
parser.add_argument("--poll", type=float, default=0.5)
args = parser.parse_args()

with open(args.template) as f:
    body = f.read()
session = boto3.Session()
config = Config(max_pool_connections=args.workers)
sts = session.client("sts", config=config)
org = session.client("organizations")
making = threading.Lock()  # a session isn't safe to make clients from threads


def status(cfn):
    try:
        return cfn.describe_stacks(StackName=args.name)["Stacks"][0]["StackStatus"]
    except ClientError as e:
        if "does not exist" in str(e):
            return None
        raise


def deploy(account):
    creds = sts.assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/{args.role}", RoleSessionName="bench"
    )["Credentials"]
    with making:
        cfn = session.client(
            "cloudformation",
            aws_access_key_id=creds["AccessKeyId"],
            aws_secret_access_key=creds["SecretAccessKey"],
            aws_session_token=creds["SessionToken"],
        )
    state = status(cfn)
    if state is None:
        cfn.create_stack(
            StackName=args.name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"]
        )
        state = status(cfn)
    while state == "CREATE_IN_PROGRESS":
        time.sleep(args.poll)
        state = status(cfn)
    if state != "CREATE_COMPLETE":
        raise RuntimeError(f"{account}: stack is in {state}")


management = org.describe_organization()["Organization"]["MasterAccountId"]
accounts = [
    a["Id"]
    for page in org.get_paginator("list_accounts").paginate()
    for a in page["Accounts"]
    if a["Id"] != management
]
with ThreadPoolExecutor(args.workers) as pool:
    list(pool.map(deploy, accounts))
