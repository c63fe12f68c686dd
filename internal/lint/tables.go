package lint

import (
	_ "embed" // the table of actions
	"strings"
	"sync"
)

// operators are IAM's condition operators, without quantifiers and IfExists
// (IAM User Guide, "IAM JSON policy elements: Condition operators").
var operators = []string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
	"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
	"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
	"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null"}

// servicePrincipals are the commonest, without their suffix. A name that isn't
// here is only said to be wrong when it is a letter or two away from one.
var servicePrincipals = strings.Fields(`access-analyzer acm airflow airflow-env amplify apigateway appflow application-autoscaling appstream appsync
	athena auditmanager autoscaling backup batch bedrock braket budgets cassandra ce chatbot cloud9 cloudformation cloudfront cloudhsm cloudtrail
	cloudwatch codeartifact codebuild codecommit codedeploy codeguru-reviewer codepipeline codestar codestar-notifications cognito-identity cognito-idp
	cognito-sync config connect controltower costalerts datapipeline datasync dax delivery.logs detective devicefarm devops-guru directconnect dlm dms
	docdb ds dynamodb ebs ec2 ec2fleet ecr ecs ecs-tasks edgelambda eks eks-fargate eks-fargate-pods eks-nodegroup elasticache elasticbeanstalk
	elasticfilesystem elasticloadbalancing elasticmapreduce elastictranscoder email es events evidently export.rds finspace firehose fis fms forecast
	frauddetector fsx gamelift glacier globalaccelerator glue grafana greengrass groundstation guardduty health iam imagebuilder inspector inspector2
	iot iotanalytics iotevents iotsitewise ivs kafka kafkaconnect kendra kinesis kinesisanalytics kms lakeformation lambda lex lexv2 license-manager
	lightsail logdelivery.elasticloadbalancing logger.cloudfront logs lookoutmetrics macie mediaconvert medialive mediapackage mediastore mgn
	monitoring mq neptune network-firewall nimble oam opensearchservice opsworks organizations osis personalize pinpoint pipes pods.eks polly
	qldb quicksight ram rds redshift redshift-serverless rekognition replication.dynamodb replication.ecr replicator.lambda resource-explorer-2
	robomaker rolesanywhere route53 route53domains route53resolver s3 sagemaker scheduler secretsmanager securityhub securitylake serverlessrepo
	servicecatalog servicediscovery ses shield signer signin sms sns spot spotfleet sqs ssm ssm-incidents sso stacksets.cloudformation
	member.org.stacksets.cloudformation states storagegateway streams.metrics.cloudwatch sts support swf synthetics tagpolicies.tag textract
	timestream transcribe transfer transitgateway trustedadvisor verified-access voiceid vpc-flow-logs vpc-lattice waf wafv2 workdocs workmail
	workspaces xray zonal`)

// runtimes that Lambda doesn't create functions for any more
// (AWS Lambda Developer Guide, "Lambda runtimes", as of autumn 2026), with what
// follows them.
var runtimes = map[string]string{
	"nodejs": "nodejs22.x", "nodejs4.3": "nodejs22.x", "nodejs4.3-edge": "nodejs22.x", "nodejs6.10": "nodejs22.x", "nodejs8.10": "nodejs22.x",
	"nodejs10.x": "nodejs22.x", "nodejs12.x": "nodejs22.x", "nodejs14.x": "nodejs22.x", "nodejs16.x": "nodejs22.x", "nodejs18.x": "nodejs22.x",
	"python2.7": "python3.13", "python3.6": "python3.13", "python3.7": "python3.13", "python3.8": "python3.13",
	"dotnetcore1.0": "dotnet8", "dotnetcore2.0": "dotnet8", "dotnetcore2.1": "dotnet8", "dotnetcore3.1": "dotnet8", "dotnet5.0": "dotnet8", "dotnet6": "dotnet8", "dotnet7": "dotnet8",
	"ruby2.5": "ruby3.3", "ruby2.7": "ruby3.3", "java8": "java21", "go1.x": "provided.al2023", "provided": "provided.al2023",
}

// ending are runtimes whose support has ended or ends, and of which new functions
// may still be made for a while.
var ending = map[string]string{"nodejs20.x": "nodejs22.x", "python3.9": "python3.13", "ruby3.2": "ruby3.4"}

// awsAccounts own things that every account may name: load balancers' logs,
// images, EKS add-ons, and the placeholder of documentation.
var awsAccounts = map[string]bool{
	"127311923021": true, "033677994240": true, "027434742980": true, "797873946194": true, "098369216593": true, "754344448648": true,
	"589379963580": true, "718504428378": true, "383597477331": true, "600734575887": true, "114774131450": true, "783225319266": true,
	"582318560864": true, "985666609251": true, "054676820928": true, "156460612806": true, "652711504416": true, "635631232127": true,
	"009996457667": true, "897822967062": true, "076674570225": true, "507241528517": true, "602401143452": true, "763104351884": true,
	"137112412989": true, "099720109477": true, "015030872274": true, "193672423079": true, "580247275435": true, "017000801446": true,
	"386209384616": true, "859597730677": true, "000000000000": true,
}

// guessable are external ids that protect nobody.
var guessable = []string{"externalid", "external-id", "external_id", "secret", "password", "changeme", "test", "demo", "example", "axle", "aws", "1234", "12345", "123456", "1234567", "12345678"}

// globalServices answer in one region, whatever the caller's is: a region
// restriction that doesn't except them locks them out.
var globalServices = []string{"iam", "sts", "organizations"}

// limits of policies' sizes in bytes (characters without white space for IAM).
var sizes = map[string]int{"sns": 30720, "sqs": 8192, "dynamodb": 20480, "s3": 20480, "kms": 32768, "secretsmanager": 20480, "lambda": 20480, "ecr": 10240, "events": 10240}

//go:embed actions.txt
var actionText string

// actionTable reads the embedded table once: service -> its actions in lower
// case, with their own spelling.
var actionTable = sync.OnceValue(func() map[string]map[string]string {
	table := map[string]map[string]string{}
	for line := range strings.Lines(actionText) {
		service, names, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		table[service] = map[string]string{}
		for _, name := range strings.Fields(names) {
			table[service][strings.ToLower(name)] = name
		}
	}
	return table
})
