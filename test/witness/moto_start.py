"""Serves moto on loopback for the scenarios, with some of its defects mended.

Usage: moto_start.py [--port N] [--plain]

Prints, once it serves, an `export NAME=value` line each for AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, and runs until it is
stopped. --port 0, the default, takes a free port; --plain mends nothing, which
shows whether a newer moto still needs it.

What is mended, as of moto 5.2.5:

1. Outputs of stacks made or updated by a change set. CreateStack and UpdateStack have
   them; ExecuteChangeSet leaves the stack with the output map of the empty template
   that its REVIEW_IN_PROGRESS shell began with.
   https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html
2. ValidateTemplate runs cfn-lint, a second or more of CPU a call. AWS's checks the
   template's syntax only.
   https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ValidateTemplate.html
3. DeleteStack leaves the stack's route tables and their associations behind, and then
   fails on the VPC, which "has dependencies". CloudFormation deletes what it made.
   https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteStack.html
4. CreateChangeSet for a new stack makes another stack of the same name when it is
   called again, though the stack waits for its change set; that the change set's name
   is taken isn't looked at. Who asks by name is shown the first stack, for ever.
   ExecuteChangeSet executes a change set as often as it is called.
   https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
   https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ExecuteChangeSet.html
5. Calls are served by threads that share everything without a lock. A refused
   TransactWriteItems puts back the whole table as it was when the call came, without
   what others wrote meanwhile; a conditional write looks first and writes then; a stack
   is said to be complete before it has its template and outputs.
   https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html

None knows anything of the program under test.
"""

import argparse
import io
import signal
import sys
import threading

from moto.cloudformation import models
from moto.cloudformation.exceptions import (
    AlreadyExistsException,
    CloudFormationError,
    ValidationError,
)
from moto.ec2.models import ec2_backends
from moto.ec2.models.route_tables import RouteTable
from moto.ec2.models.subnets import SubnetRouteTableAssociation
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server


def mend_outputs():
    execute = models.CloudFormationBackend.execute_change_set

    def execute_change_set(self, change_set_name, stack_name=None):
        change_set = self.describe_change_set(change_set_name)
        execute(self, change_set.change_set_id, stack_name)
        stack = self.stacks[change_set.stack_id]
        stack._parse_template()
        stack.output_map = stack._create_output_map()

    models.CloudFormationBackend.execute_change_set = execute_change_set


def mend_validation():
    def validate_template(self, template):
        try:
            body = models.Stack.parse_template(template)
        except Exception as e:  # whatever the two parsers raise
            raise ValidationError(message=f"Template format error: {e}") from e
        if not isinstance(body, dict) or "Resources" not in body:
            raise ValidationError(
                message="Template format error: At least one Resources member must be defined."
            )
        return []

    models.CloudFormationBackend.validate_template = validate_template


def mend_route_tables():
    def delete_table(self, account_id, region_name):
        ec2_backends[account_id][region_name].delete_route_table(self.id)

    def delete_association(self, account_id, region_name):
        backend = ec2_backends[account_id][region_name]
        table = backend.route_tables.get(self.route_table_id)  # gone: so are they
        for association, subnet in list(table._associations.items()) if table else []:
            if subnet == self.subnet_id:
                backend.disassociate_route_table(association)

    RouteTable.delete = delete_table
    SubnetRouteTableAssociation.delete = delete_association


class InvalidChangeSetStatus(CloudFormationError):
    code = "InvalidChangeSetStatus"


def mend_change_sets():
    backend = models.CloudFormationBackend
    create, execute = backend.create_change_set, backend.execute_change_set

    def create_change_set(self, stack_name, change_set_name, *, change_set_type, **rest):
        there = next((s for s in self.stacks.values() if s.name == stack_name), None)
        if there is not None:
            sets = [c for c in self.change_sets.values() if c.stack_id == there.stack_id]
            if change_set_name in [c.change_set_name for c in sets]:
                raise AlreadyExistsException(f"ChangeSet {change_set_name} already exists")
            if change_set_type == "CREATE" and there.status != "REVIEW_IN_PROGRESS":
                raise ValidationError(
                    message=f"Stack [{stack_name}] already exists and cannot be created"
                    f" again with the changeSet [{change_set_name}]."
                )
        set_id, stack_id = create(
            self, stack_name, change_set_name, change_set_type=change_set_type, **rest
        )
        if there is not None and stack_id != there.stack_id:  # one more of the shell
            del self.stacks[stack_id]
            change_set = self.change_sets[set_id]
            change_set.stack, change_set.stack_id = there, there.stack_id
        return set_id, self.change_sets[set_id].stack_id

    def execute_change_set(self, change_set_name, stack_name=None):
        change_set = self.describe_change_set(change_set_name)
        if change_set.execution_status != "AVAILABLE":
            raise InvalidChangeSetStatus(
                f"ChangeSet [{change_set.change_set_id}] cannot be executed in its"
                f" current status of [{change_set.execution_status}]"
            )
        execute(self, change_set_name, stack_name)

    backend.create_change_set = create_change_set
    backend.execute_change_set = execute_change_set


def one_at_a_time(app):
    """Serves one call after the other. A call is read before it has its turn: who
    stops in the middle of one holds nobody up."""
    turn = threading.Lock()

    def serve(environ, start_response):
        body = environ["wsgi.input"]
        if environ.get("wsgi.input_terminated"):  # it comes in chunks
            environ["wsgi.input"] = io.BytesIO(body.read())
        else:
            size = int(environ.get("CONTENT_LENGTH") or 0)
            environ["wsgi.input"] = io.BytesIO(body.read(size))
        with turn:
            return app(environ, start_response)

    return serve


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    args = parser.parse_args()
    if not args.plain:
        mend_outputs()
        mend_validation()
        mend_route_tables()
        mend_change_sets()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    app = DomainDispatcherApplication(create_backend_app)
    if not args.plain:
        app = one_at_a_time(app)
    server = make_server(
        "127.0.0.1", args.port, app, threaded=True, request_handler=MotoRequestHandler
    )
    print(f"export AWS_ENDPOINT_URL=http://127.0.0.1:{server.server_port}")
    print("export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE")
    print("export AWS_SECRET_ACCESS_KEY=example")
    print("export AWS_REGION=eu-west-1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
