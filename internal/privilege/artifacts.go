package privilege

import (
	"slices"

	"axle"
)

// artifactAlias names the key of each region that artifacts are encrypted with.
const artifactAlias = "alias/axle-artifacts"

// artifacts adds what reading the hub's artifacts takes, and in the hub's account
// what making and filling their buckets does. Templates are read with the
// permissions of whoever makes the change set; all else by whoever CloudFormation
// works as.
func (g *Group) artifacts(role Role, into grants) {
	if g.Artifacts == "" {
		return
	}
	for i := range g.Stacks {
		s := &g.Stacks[i]
		kinds := s.artifacts(role)
		if len(kinds) == 0 {
			continue
		}
		g.readArtifacts(s.Regions, kinds, into)
		if g.ArtifactHome != "" && len(s.Regions) > 0 && !slices.Contains(s.Regions, g.ArtifactHome) && slices.Contains(s.Stored, axle.ArtifactTemplates) {
			g.readArtifacts([]string{g.ArtifactHome}, []string{axle.ArtifactTemplates}, into)
		}
	}
	if g.Hub && (role == Deploy || role == Plan) {
		g.keepArtifacts(into)
	}
}

// artifacts are the kinds that a role reads for a stack.
func (s *Stack) artifacts(role Role) []string {
	own := s.ExecutionRole == ""
	var kinds []string
	if s.Large && (role == Deploy || role == Plan) {
		kinds = append(kinds, axle.ArtifactTemplates)
	}
	for _, kind := range s.Stored {
		early := kind == axle.ArtifactTemplates && (role == Deploy || role == Plan)
		if early || role == Execution || own && role != Plan {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// readArtifacts adds reading kinds of artifacts, and using the key for that.
func (g *Group) readArtifacts(regions, kinds []string, into grants) {
	for _, bucket := range g.artifactBuckets(regions) {
		for _, kind := range kinds {
			into.on("s3:GetObject", bucket+"/"+kind+"/*")
		}
	}
	if g.Hub {
		return // keepArtifacts has it
	}
	into.onlyIf(Condition{"StringLike": {"kms:ViaService": {"s3.*"}, "kms:EncryptionContext:aws:s3:arn": {"arn:*:s3:::" + g.Artifacts + "*"}}},
		"kms:Decrypt", g.artifactKeys(regions, "key/*")...)
}

// keepArtifacts adds making the buckets and keys, and filling them. A key is told
// from others by its alias; before it has that, its own policy lets the role that
// made it name it.
func (g *Group) keepArtifacts(into grants) {
	for _, bucket := range g.artifactBuckets(g.ArtifactRegions) {
		into.on("s3:CreateBucket s3:GetBucketPolicy s3:GetEncryptionConfiguration s3:ListBucket s3:PutBucketOwnershipControls s3:PutBucketPolicy s3:PutBucketPublicAccessBlock s3:PutEncryptionConfiguration", bucket)
		for _, kind := range g.ArtifactKinds {
			into.on("s3:GetObject s3:PutObject", bucket+"/"+kind+"/*")
		}
	}
	into.on("kms:CreateAlias kms:DescribeKey", g.artifactKeys(g.ArtifactRegions, artifactAlias)...)
	into.onlyIf(Condition{"ForAnyValue:StringEquals": {"kms:ResourceAliases": {artifactAlias}}},
		"kms:Decrypt kms:DescribeKey kms:EnableKeyRotation kms:GenerateDataKey kms:GetKeyPolicy kms:PutKeyPolicy", g.artifactKeys(g.ArtifactRegions, "key/*")...)
	if len(g.ArtifactRegions) == 0 {
		into.on("kms:CreateKey kms:ListKeys", "*")
		return
	}
	into.onlyIf(Condition{"StringEquals": {"aws:RequestedRegion": g.ArtifactRegions}}, "kms:CreateKey kms:ListKeys", "*")
}

func (g *Group) artifactBuckets(regions []string) []string {
	var out []string
	for _, r := range regionsOf(regions) {
		out = append(out, "arn:"+orElse(g.Partition, partition)+":s3:::"+g.Artifacts+orElse(r, "*"))
	}
	return out
}

// artifactKeys are ARNs of KMS in the hub.
func (g *Group) artifactKeys(regions []string, resource string) []string {
	var out []string
	for _, r := range regionsOf(regions) {
		out = append(out, "arn:"+orElse(g.Partition, partition)+":kms:"+orElse(r, "*")+":"+g.ArtifactHub+":"+resource)
	}
	return out
}
