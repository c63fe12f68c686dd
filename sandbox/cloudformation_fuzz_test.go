package sandbox

import "testing"

// FuzzTemplate: no text breaks the parser, the checks or the evaluation.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Sub '${A}-${AWS::Region}'}}}\nParameters: {A: {Type: String, Default: x}}",
		`{"Resources": {"T": {"Type": "AWS::SNS::Topic", "Condition": "C"}}, "Conditions": {"C": {"Fn::Or": [{"Fn::Equals": ["a", "b"]}, {"Condition": "D"}]}, "D": {"Fn::Not": [{"Fn::Equals": [1, 2]}]}}}`,
		"Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Select [0, !Split [',', !Join [',', [a, b]]]]}}}\nOutputs: {O: {Value: !GetAtt T.TopicName, Export: {Name: x}}}",
		"Mappings: {M: {a: {b: [c]}}}\nResources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Select [0, !FindInMap [M, a, b]]}}}",
		"Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Select [0, !Cidr [10.0.0.0/8, 3, 8]]}}}",
		"Transform: [AWS::LanguageExtensions]\nResources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !ToJsonString {a: !Length [1, !Ref AWS::NoValue]}}}}",
		"Transform: AWS::Serverless-2016-10-31\nGlobals: {Function: {Timeout: 3}}\nResources: {F: {Type: AWS::Serverless::Function, Properties: {Handler: a.b, Runtime: python3.12, InlineCode: x}}}",
	} {
		f.Add(seed)
	}
	box, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	types := providers()
	f.Fuzz(func(t *testing.T, body string) {
		parsed := parseTemplate(body, types)
		if parsed.err != nil {
			return
		}
		box.lock()
		defer box.unlock()
		c := box.callAs(*box.st.Keys[box.st.Admin], "cloudformation", "eu-west-1")
		values, err := parsed.parametersFor(nil, nil)
		if err != nil {
			return
		}
		r := &request{t: parsed, next: stackVersion{Parameters: values}}
		if c.expand(r) != nil {
			return
		}
		parsed = r.t
		_, _ = c.planChanges(&stack{ID: "arn:aws:cloudformation:eu-west-1:111111111111:stack/s/1", Name: "s"}, parsed, stackVersion{Parameters: values})
		parsed.capabilities(types)
	})
}
