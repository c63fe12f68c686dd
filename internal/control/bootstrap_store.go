package control

import (
	_ "embed"

	"axle"
	"axle/internal/late"
	"axle/internal/privilege"
	"axle/internal/store"
	"axle/internal/template"
)

// storeTemplate makes the table and the bucket of a journal in DynamoDB. It says
// nothing of a project: several may share one.
//
//go:embed roles/store.yaml
var storeTemplate string

// storeOwner is the project of the journal's stack.
const storeOwner = "axle"

var notInStackName = late.MustCompile(`[^a-zA-Z0-9]+`)

// tableStore is where the project's journal is, if it is in DynamoDB: in the hub
// account, by the rules of openTable.
func (w *Work) tableStore() (at store.TableAddress, ok bool, err error) {
	address, err := journalInstead()
	if address == "" {
		address = w.project.Store.Address.Value
	}
	if err != nil || !store.IsDynamoDB(address) {
		return at, false, err
	}
	at, err = store.ParseTableAddress(address)
	return at.In(w.hub.Account.ID, w.Region()), err == nil, err
}

// storePhase makes the table and the bucket; nil when the project's journal is
// elsewhere.
func (b *Bootstrap) storePhase() (*Phase, error) {
	at, ok, err := b.w.tableStore()
	if err != nil || !ok {
		return nil, err
	}
	return &Phase{Name: "store", StackName: "axle-store-" + notInStackName.ReplaceAllString(at.Table, "-"), Region: at.Region,
		Accounts: []axle.Account{b.w.hub.Account}, Parameters: map[string]string{"Table": at.Table, "Bucket": at.Bucket},
		Template: storeTemplate, digest: template.Digest([]byte(storeTemplate))}, nil
}

// planStore is the bootstrap of the table and bucket alone.
func (w *Work) planStore(o BootstrapOptions) (*Bootstrap, error) {
	b := &Bootstrap{Project: w.Project(), w: w, id: w.identity, entry: o.EntryRole}
	journal, err := b.storePhase()
	if err != nil {
		return nil, err
	}
	if journal == nil {
		return nil, configError(w.project.Name.Pos, "such as store: dynamodb://axle-journal", "--only-store makes the journal in DynamoDB, and axle.yaml names none")
	}
	b.Phases = []Phase{*journal}
	return b, nil
}

// storeStatements are what using the journal takes.
func (w *Work) storeStatements() ([]privilege.Statement, error) {
	at, ok, err := w.tableStore()
	if err != nil || !ok {
		return nil, err
	}
	bucket := "arn:${AWS::Partition}:s3:::" + at.Bucket
	return []privilege.Statement{
		{Sid: "UseTheJournal", Actions: []string{"dynamodb:ConditionCheckItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"},
			Resources: []string{"arn:${AWS::Partition}:dynamodb:" + at.Region + ":" + w.hub.Account.ID + ":table/" + at.Table}},
		{Sid: "FindThePlans", Actions: []string{"s3:ListBucket"}, Resources: []string{bucket}},
		{Sid: "UseThePlans", Actions: []string{"s3:GetObject", "s3:PutObject"}, Resources: []string{bucket + "/*"}},
	}, nil
}
