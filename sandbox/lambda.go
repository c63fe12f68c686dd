package sandbox

// lambdaRoutes are the operations of Lambda; the dates are those of its paths.
const lambdaRoutes = `
GET    /2016-08-19/account-settings    200 GetAccountSettings
`
