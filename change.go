package axle

import (
	"slices"
	"strings"
)

// ResourceChange is a line of a change set.
type ResourceChange struct {
	Action      string `json:"action"` // Add, Modify, Remove, Import, Dynamic
	LogicalID   string `json:"logical_id"`
	Type        string `json:"type"`
	Replacement string `json:"replacement,omitempty"` // True, Conditional; empty for False
	// Properties are the names of what changes, sorted.
	Properties []string `json:"properties,omitempty"`
	// Policy is what becomes of the old resource: Delete, Retain or Snapshot, or
	// ReplaceAnd and one of these; empty where that isn't known.
	Policy string `json:"policy,omitempty"`
	// Details are the values that change, for a preview; those of secrets are
	// masked and long ones cut.
	Details []PropertyChange `json:"details,omitempty"`
	// DataLoss: what the resource holds is lost with the change.
	DataLoss bool `json:"data_loss,omitempty"`
	// Access is what the change lets anybody do that couldn't be done before.
	Access []string `json:"access,omitempty"`
}

// PropertyChange is one value that changes.
type PropertyChange struct {
	Path   string `json:"path"` // such as DisplayName, or Tags
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// PerTarget: of many targets, each has values of its own. Before and After
	// then have what these begin with.
	PerTarget bool `json:"per_target,omitempty"`
}

// cleaned returns the change with its values and texts put through clean.
func (c ResourceChange) cleaned(clean func(string) string) ResourceChange {
	c.Details, c.Access = slices.Clone(c.Details), slices.Clone(c.Access)
	for i := range c.Details {
		c.Details[i].Before, c.Details[i].After = clean(c.Details[i].Before), clean(c.Details[i].After)
	}
	for i := range c.Access {
		c.Access[i] = clean(c.Access[i])
	}
	return c
}

// Dangerous says whether the change can destroy data or widen access: it must
// have been reviewed.
func (c ResourceChange) Dangerous() bool {
	return c.Action == "Remove" || c.Replacement == "True" || c.Replacement == "Conditional" ||
		(c.Action != "Add" && strings.HasPrefix(c.Type, "AWS::IAM::"))
}

// LosesData says whether the change removes or replaces a resource that holds
// data, and nothing keeps it.
func (c ResourceChange) LosesData() bool {
	if strings.HasSuffix(c.Policy, "Retain") || strings.HasSuffix(c.Policy, "Snapshot") {
		return false
	}
	return (c.Action == "Remove" || c.Replacement == "True") && HoldsData(c.Type)
}

// HoldsData says whether resources of the type hold what can't be made again
// from a template: data, keys without which data can't be read, identities
// that others know.
func HoldsData(kind string) bool {
	_, ok := slices.BinarySearch(stateful, kind)
	return ok
}

// stateful are the types that hold data, sorted.
var stateful = []string{
	"AWS::AmazonMQ::Broker",
	"AWS::Backup::BackupVault",
	"AWS::Cassandra::Keyspace",
	"AWS::Cassandra::Table",
	"AWS::CloudFormation::Stack", // with all that is in it
	"AWS::CloudTrail::EventDataStore",
	"AWS::CodeArtifact::Repository",
	"AWS::CodeCommit::Repository",
	"AWS::Cognito::IdentityPool",
	"AWS::Cognito::UserPool",
	"AWS::DAX::Cluster",
	"AWS::DocDB::DBCluster",
	"AWS::DocDB::DBInstance",
	"AWS::DynamoDB::GlobalTable",
	"AWS::DynamoDB::Table",
	"AWS::EC2::EIP",
	"AWS::EC2::Instance",
	"AWS::EC2::Volume",
	"AWS::ECR::PublicRepository",
	"AWS::ECR::Repository",
	"AWS::EFS::FileSystem",
	"AWS::EMR::Cluster",
	"AWS::ElastiCache::CacheCluster",
	"AWS::ElastiCache::ReplicationGroup",
	"AWS::ElastiCache::ServerlessCache",
	"AWS::Elasticsearch::Domain",
	"AWS::Events::Archive",
	"AWS::FSx::FileSystem",
	"AWS::FSx::Volume",
	"AWS::Glue::Database",
	"AWS::Glue::Table",
	"AWS::HealthLake::FHIRDatastore",
	"AWS::IoTAnalytics::Datastore",
	"AWS::KMS::Key",
	"AWS::KMS::ReplicaKey",
	"AWS::Kendra::Index",
	"AWS::Kinesis::Stream",
	"AWS::KinesisVideo::Stream",
	"AWS::Lightsail::Database",
	"AWS::Lightsail::Disk",
	"AWS::Logs::LogGroup",
	"AWS::MSK::Cluster",
	"AWS::MSK::ServerlessCluster",
	"AWS::MemoryDB::Cluster",
	"AWS::Neptune::DBCluster",
	"AWS::Neptune::DBInstance",
	"AWS::OpenSearchServerless::Collection",
	"AWS::OpenSearchService::Domain",
	"AWS::QLDB::Ledger",
	"AWS::RDS::DBCluster",
	"AWS::RDS::DBInstance",
	"AWS::RDS::GlobalCluster",
	"AWS::Redshift::Cluster",
	"AWS::RedshiftServerless::Namespace",
	"AWS::Route53::HostedZone",
	"AWS::S3::Bucket",
	"AWS::S3Express::DirectoryBucket",
	"AWS::S3Outposts::Bucket",
	"AWS::S3Tables::Table",
	"AWS::S3Tables::TableBucket",
	"AWS::SDB::Domain",
	"AWS::SQS::Queue",
	"AWS::SecretsManager::Secret",
	"AWS::Serverless::SimpleTable",
	"AWS::Timestream::Database",
	"AWS::Timestream::InfluxDBInstance",
	"AWS::Timestream::Table",
	"AWS::WorkSpaces::Workspace",
}
