package cloud

import (
	"context"
	"errors"

	"axle"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// RoleExists says whether an account has a role of that name.
func (c *Cloud) RoleExists(ctx context.Context, account axle.Account, name string) (bool, error) {
	client, opt := c.IAM(axle.Target{Account: account.ID, Region: c.region})
	_, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: &name}, opt)
	if _, missing := errors.AsType[*types.NoSuchEntityException](err); missing {
		return false, nil
	}
	if err != nil {
		return false, Translate(err, "look for role "+name, account, "")
	}
	return true, nil
}
