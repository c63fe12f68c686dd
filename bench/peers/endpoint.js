// Makes takomo go to AWS_ENDPOINT_URL. It uses an old AWS SDK (v2) that doesn't
// know the variable, and agents for TLS alone; instead of one for each client it
// gets one for all, which suits it. NODE_OPTIONS=--require loads this; takomo is
// as npm has it.
const http = require("http");
const https = require("https");
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
https.Agent = function () {
  return agent;
};
require("aws-sdk").config.update({ endpoint: process.env.AWS_ENDPOINT_URL });
