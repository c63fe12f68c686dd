package cfn

import (
	"context"
	"slices"

	"axle"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// Imports are the names of the stacks of the target that import an export, sorted.
func (d *Driver) Imports(ctx context.Context, t axle.Target, export string) ([]string, error) {
	client, opt := d.clients.CloudFormation(t)
	var names []string
	pages := cloudformation.NewListImportsPaginator(client, &cloudformation.ListImportsInput{ExportName: &export})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if notImported(err) {
			break
		}
		if err != nil {
			return nil, called("list what imports export "+export, err)
		}
		names = append(names, page.Imports...)
	}
	slices.Sort(names)
	return names, nil
}
