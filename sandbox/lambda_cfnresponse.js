// Answers CloudFormation for a custom resource, as the module of this name in
// functions whose code is in a template.
exports.SUCCESS = "SUCCESS";
exports.FAILED = "FAILED";

exports.send = (event, context, responseStatus, responseData, physicalResourceId, noEcho) => {
  const body = JSON.stringify({
    Status: responseStatus,
    Reason: `See the details in CloudWatch Log Stream: ${context.logStreamName}`,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: responseData,
  });
  const url = new URL(event.ResponseURL);
  return new Promise((resolve) => {
    const request = require(url.protocol.slice(0, -1)).request(url, { method: "PUT", headers: { "content-type": "", "content-length": Buffer.byteLength(body) } }, (response) => {
      response.resume();
      response.on("end", resolve);
    });
    request.on("error", (e) => {
      console.log("send(..) failed:", e);
      resolve();
    });
    request.end(body);
  }).then(() => context.done && context.done());
};
