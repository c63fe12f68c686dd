package pattern

// created is a resource that is to be made: with a key, or with the service's
// own encryption where key is nil.
type created struct {
	r   *resource
	key any
}

// streamARN is a stream's ARN in its own stack: its Ref is the name.
func (r *resource) streamARN() any {
	if r.created {
		return attr{r.logical(), "Arn"}
	}
	return r.arn.text
}

func createBucket(c *created) Map {
	encryption := Map{{"SSEAlgorithm", "AES256"}}
	if c.key != nil {
		encryption = Map{{"SSEAlgorithm", "aws:kms"}, {"KMSMasterKeyID", c.key}}
	}
	rule := Map{{"ServerSideEncryptionByDefault", encryption}}
	if c.key != nil {
		rule = append(rule, Pair{"BucketKeyEnabled", true})
	}
	return Map{{"Type", "AWS::S3::Bucket"}, {"DeletionPolicy", "RetainExceptOnCreate"}, {"UpdateReplacePolicy", "Retain"}, {"Properties", Map{
		{"BucketName", ref(c.r.nameParam())},
		{"BucketEncryption", Map{{"ServerSideEncryptionConfiguration", []any{rule}}}},
		{"OwnershipControls", Map{{"Rules", []any{Map{{"ObjectOwnership", "BucketOwnerEnforced"}}}}}},
		{"PublicAccessBlockConfiguration", Map{{"BlockPublicAcls", true}, {"BlockPublicPolicy", true}, {"IgnorePublicAcls", true}, {"RestrictPublicBuckets", true}}},
	}}}
}

func createTopic(c *created) Map {
	return simple("AWS::SNS::Topic", c, "TopicName", "KmsMasterKeyId")
}

func createQueue(c *created) Map {
	return simple("AWS::SQS::Queue", c, "QueueName", "KmsMasterKeyId")
}

func createSecret(c *created) Map {
	m := simple("AWS::SecretsManager::Secret", c, "Name", "KmsKeyId")
	props := m[1].Value.(Map)
	m[1].Value = append(props, Pair{"GenerateSecretString", Map{{"PasswordLength", 32}}})
	return m
}

func createBus(c *created) Map { return simple("AWS::Events::EventBus", c, "Name", "KmsKeyIdentifier") }

func createRepository(c *created) Map {
	m := simple("AWS::ECR::Repository", c, "RepositoryName", "")
	return append(m[:1:1], append(Map{{"DeletionPolicy", "RetainExceptOnCreate"}, {"UpdateReplacePolicy", "Retain"}}, m[1:]...)...)
}

func createStream(c *created) Map {
	m := simple("AWS::Kinesis::Stream", c, "Name", "")
	props := append(m[1].Value.(Map), Pair{"StreamModeDetails", Map{{"StreamMode", "ON_DEMAND"}}})
	if c.key != nil {
		props = append(props, Pair{"StreamEncryption", Map{{"EncryptionType", "KMS"}, {"KeyId", c.key}}})
	}
	m[1].Value = props
	return append(m[:1:1], append(Map{{"DeletionPolicy", "RetainExceptOnCreate"}, {"UpdateReplacePolicy", "Retain"}}, m[1:]...)...)
}

// simple is a resource of a name and, when given, a key.
func simple(typ string, c *created, name, key string) Map {
	props := Map{{name, ref(c.r.nameParam())}}
	if c.key != nil && key != "" {
		props = append(props, Pair{key, c.key})
	}
	return Map{{"Type", typ}, {"Properties", props}}
}

// createTable makes a table whose key is a string named id: what else it is to
// have is the owner's to say.
func createTable(c *created) Map {
	props := Map{
		{"TableName", ref(c.r.nameParam())},
		{"BillingMode", "PAY_PER_REQUEST"},
		{"AttributeDefinitions", []any{Map{{"AttributeName", "id"}, {"AttributeType", "S"}}}},
		{"KeySchema", []any{Map{{"AttributeName", "id"}, {"KeyType", "HASH"}}}},
	}
	if c.key != nil {
		props = append(props, Pair{"SSESpecification", Map{{"SSEEnabled", true}, {"SSEType", "KMS"}, {"KMSMasterKeyId", c.key}}})
	}
	return Map{{"Type", "AWS::DynamoDB::Table"}, {"DeletionPolicy", "RetainExceptOnCreate"}, {"UpdateReplacePolicy", "Retain"}, {"Properties", props}}
}

func createKey(*created) Map {
	return Map{{"Type", "AWS::KMS::Key"}, {"DeletionPolicy", "RetainExceptOnCreate"}, {"UpdateReplacePolicy", "Retain"}, {"Properties", Map{
		{"EnableKeyRotation", true}}}}
}
