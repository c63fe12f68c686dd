"""Calls every operation of a sandbox and checks each answer strictly.

    run.py ENDPOINT ACCESS_KEY SECRET_KEY MEMBER_ACCOUNT OTHER_MEMBER_ACCOUNT

prints one JSON document: the operations that answered with success, and the
problems found, each with its operation.
"""

import json
import sys
import traceback
import urllib.request

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

import alarms
import apis
import events
import federation
import functions
import keys
import messages
import networks
import people
import stacks
import stacksets
import storage
import strict
import tables
import timers


class Caller:
    """Clients for one account, and calls whose outcome is expected."""

    def __init__(self, world, account, key, secret, token=None):
        self.world, self.account = world, account
        self.credentials = (key, secret, token)
        self.clients = {}

    def client(self, service, region="eu-west-1"):
        if (service, region) not in self.clients:
            key, secret, token = self.credentials
            client = self.world.session.create_client(
                service, region_name=region, endpoint_url=self.world.endpoint, aws_access_key_id=key,
                aws_secret_access_key=secret, aws_session_token=token,
                config=Config(retries={"total_max_attempts": 1}, parameter_validation=True))
            self.world.checker.attach(client, {"resourcegroupstaggingapi": "tagging", "service-quotas": "servicequotas", "cloudwatch": "monitoring", "dynamodbstreams": "dynamodb"}.get(service, service))
            self.clients[service, region] = client
        return self.clients[service, region]

    def do(self, service, operation, region="eu-west-1", **arguments):
        """Calls an operation that must succeed; {} if it doesn't."""
        try:
            return self.client(service, region)._make_api_call(operation, arguments)
        except ClientError as e:
            self.world.checker.note(f"{service}:{operation}", f"refused: {e}")
        except Exception as e:  # what botocore can't even parse or send
            self.world.checker.note(f"{service}:{operation}", f"{type(e).__name__}: {e}")
        return {}

    def tries(self, service, operation, region="eu-west-1", **arguments):
        """Calls an operation that may come too late; says whether it worked."""
        try:
            self.client(service, region)._make_api_call(operation, arguments)
        except ClientError:
            return False
        return True

    def fails(self, code, service, operation, region="eu-west-1", **arguments):
        """Calls an operation that must be refused with a code."""
        try:
            self.client(service, region)._make_api_call(operation, arguments)
        except ClientError as e:
            got = e.response["Error"]["Code"]
            if got != code:
                self.world.checker.note(f"{service}:{operation}", f"refused with {got}, want {code}")
            return
        self.world.checker.note(f"{service}:{operation}", f"succeeded, want {code}")


class World:
    """The sandbox under test: who may call it, and what was found."""

    def __init__(self, endpoint, key, secret, member, other):
        self.endpoint = endpoint
        self.session = botocore.session.Session()
        self.checker = strict.Checker()
        self.top = Caller(self, "111111111111", key, secret)
        self.member, self.other = self.enter(member), self.enter(other)
        self.pace()

    def pace(self, times=1):
        """Lets what begins from now on take so many times as long, so that
        there is time for what can be called only while it is under way."""
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/-/stack-time/{400 * times}ms", method="PUT")).close()

    def enter(self, account):
        role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
        c = self.top.do("sts", "AssumeRole", RoleArn=role, RoleSessionName="conformance")["Credentials"]
        return Caller(self, account, c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"])


def main():
    world = World(*sys.argv[1:6])
    for part in (people, alarms, events, apis, timers, networks, storage, keys, tables, messages, functions, stacks, stacksets, federation):
        try:
            part.exercise(world)
        except (KeyError, IndexError):  # the answer that it wanted to go on with was refused: noted already
            world.checker.note(part.__name__, traceback.format_exc())
    json.dump({"succeeded": sorted(world.checker.succeeded),
               "problems": [{"operation": w, "problem": p} for w, p in world.checker.problems]}, sys.stdout)


if __name__ == "__main__":
    main()
