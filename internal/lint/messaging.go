package lint

import (
	"slices"
	"strings"

	"axle/internal/template"
	"axle/policy"
)

func messagingRules() []Rule {
	return []Rule{
		{ID: "AX047", Severity: Error, Where: "P", Title: "A topic may not call its subscriber",
			Why:   "The function's own policy must let sns.amazonaws.com in for the topic; otherwise messages are lost without a word.",
			Fix:   "Add an AWS::Lambda::Permission in the function's account with Principal sns.amazonaws.com and the topic as SourceArn.",
			check: eachSubscription(checkSubscribedFunction)},
		{ID: "AX053", Severity: Error, Where: "P", Title: "The topic doesn't let the subscriber subscribe",
			Why:   "A subscription from another account needs sns:Subscribe in the topic's policy.",
			Fix:   "Allow the subscriber's account sns:Subscribe in the topic's policy.",
			check: eachSubscription(checkSubscribe)},
		{ID: "AX054", Severity: Error, Where: "TP", Title: "Two policies for one resource",
			Why:   "A topic, queue or bucket has one policy: the one that is deployed last replaces the other.",
			Fix:   "Put all statements into one policy.",
			check: checkLastWins},
		{ID: "AX085", Severity: Warning, Where: "T", Title: "The owner's statement of a topic or queue is gone",
			Why:   "A policy of one's own replaces the default one, by which the owner's account administers it.",
			Fix:   "Add a statement for the owner's account.",
			check: eachDocument(checkOwnerStatement)},
		{ID: "AX086", Severity: Error, Where: "TP", Title: "A topic may not write to its queue",
			Why:   "The queue's policy, and that of its key, must let sns.amazonaws.com in; otherwise messages are lost without a word.",
			Fix:   "Allow sns.amazonaws.com sqs:SendMessage with ArnEquals aws:SourceArn on the topic, and kms:GenerateDataKey* and kms:Decrypt in the key's policy.",
			check: eachSubscription(checkSubscribedQueue)},
		{ID: "AX087", Severity: Warning, Where: "T", Title: "A foreign topic as SAM event without a permission",
			Why:   "For a topic of another account what SAM generates may not suffice.",
			Fix:   "Add an AWS::Lambda::Permission with Principal sns.amazonaws.com and the topic as SourceArn.",
			check: eachResource(checkSAMTopic, "AWS::Serverless::Function")},
		{ID: "AX097", Severity: Error, Where: "TP", Title: "Events of another region",
			Why:   "Rules and subscriptions work in one region; what comes from another must be forwarded.",
			Fix:   "Set Region of the subscription, or forward by a rule to an event bus of the other region.",
			check: checks(eachSubscription(checkSubscriptionRegion), eachResource(checkRuleRegion, "AWS::Events::Rule"))},
		{ID: "AX106", Severity: Warning, Where: "TL", Title: "Others may administer the topic or queue",
			Why:   "AddPermission, SetTopicAttributes or DeleteTopic for another account hand it over.",
			Fix:   "Give other accounts sns:Subscribe, sns:Publish, or sqs:SendMessage only.",
			check: eachStatement(checkAdministered)},
	}
}

// subscription is one, however it is written.
type subscription struct {
	u        *unit
	d        *template.Declared
	topic    *template.Node
	protocol string
	endpoint *template.Node
	region   *template.Node
}

func eachSubscription(check func(*run, subscription)) func(*run) {
	return func(r *run) {
		for _, u := range r.units {
			for _, d := range u.resources {
				switch d.Type {
				case "AWS::SNS::Subscription":
					p := d.Properties
					check(r, subscription{u, d, p.Get("TopicArn"), p.Get("Protocol").Str(), p.Get("Endpoint"), p.Get("Region")})
				case "AWS::SNS::Topic":
					for _, n := range d.Properties.Get("Subscription").List() {
						topic := &template.Node{Kind: template.ScalarNode, Text: u.arn(d), Pos: d.Pos}
						check(r, subscription{u, d, topic, n.Get("Protocol").Str(), n.Get("Endpoint"), nil})
					}
				}
			}
		}
	}
}

func sns() policy.Principal {
	return policy.Principal{Type: policy.Service, ARN: "sns.amazonaws.com"}
}

// context is what SNS sends along for a topic.
func (s subscription) context() map[string][]string {
	arn := evaluable(s.u.seal(s.topic.Str()))
	a, _ := splitARN(arn)
	return map[string][]string{"aws:sourcearn": {arn}, "aws:sourceaccount": {a.account}}
}

func checkSubscribedFunction(r *run, s subscription) {
	f, ok := r.find(s.u, s.endpoint.Str())
	if !ok || s.protocol != "lambda" || s.topic.Str() == "" {
		return
	}
	topic := s.u.seal(s.topic.Str())
	for _, p := range r.index.permissions[f.u.account] {
		fn, principal, source := p.d.Properties.Get("FunctionName"), p.d.Properties.Get("Principal"), p.d.Properties.Get("SourceArn")
		names := p.u.refersTo(fn, f) || p.u.open(fn.Str())
		fits := source == nil || policy.Match(p.u.seal(source.Str()), topic) || p.u.open(source.Str()) || s.u.open(s.topic.Str())
		if names && fits && (principal.Str() == "sns.amazonaws.com" || p.u.open(principal.Str())) {
			return
		}
	}
	if generatedPermission(f, s) {
		return
	}
	r.inResource(s.d, s.endpoint, "%s doesn't let sns.amazonaws.com call it for %s", f.title(), pretty(topic))
}

// generatedPermission: SAM makes one for the topics among a function's events.
func generatedPermission(f placed, s subscription) bool {
	return f.d.Type == "AWS::Serverless::Function" && f.u == s.u && slices.ContainsFunc(entries(f.d.Properties.Get("Events")), func(k template.Key) bool { return k.Value.Get("Type").Str() == "SNS" })
}

// refersTo is refers for a resource of any unit, by what joins them.
func (u *unit) refersTo(n *template.Node, p placed) bool {
	if p.u == u && u.refers(n, p.d) {
		return true
	}
	text := n.Str()
	return text != "" && (u.seal(text) == p.u.seal(p.u.arn(p.d)) || u.sealText(text) == p.u.sealText(p.u.name(p.d)))
}

func checkSubscribe(r *run, s subscription) {
	topic, ok := r.find(s.u, s.topic.Str())
	if !ok || s.u.account == "" || topic.u.account == "" || topic.u.account == s.u.account {
		return
	}
	arn := evaluable(topic.u.seal(topic.u.arn(topic.d)))
	who := policy.ParsePrincipal("arn:aws:iam::" + s.u.account + ":root")
	if r.openPolicies(topic) {
		return
	}
	// The account is let in as a whole, or a role of it is: the one that
	// deploys, which a policy can name.
	for _, d := range r.attached(topic) {
		if r.resourceAllows(d, who, "sns:Subscribe", arn, nil) || slices.ContainsFunc(d.statements, func(st *statement) bool {
			return st.allow && st.does("sns:Subscribe") && slices.ContainsFunc(st.principals, func(p principal) bool { return topic.u.sealText(p.account()) == s.u.account })
		}) {
			return
		}
	}
	r.inResource(s.d, s.topic, "topic %s of account %s doesn't let account %s subscribe", topic.title(), topic.u.account, s.u.account)
}

func checkSubscribedQueue(r *run, s subscription) {
	q, ok := r.find(s.u, s.endpoint.Str())
	if !ok || s.protocol != "sqs" || q.d.Type != "AWS::SQS::Queue" || s.topic.Str() == "" {
		return
	}
	arn := evaluable(q.u.seal(q.u.arn(q.d)))
	if !s.u.open(s.topic.Str()) && !r.openPolicies(q) {
		docs := r.attached(q)
		if !slices.ContainsFunc(docs, func(d *document) bool { return r.resourceAllows(d, sns(), "sqs:SendMessage", arn, s.context()) }) {
			r.inResource(s.d, s.endpoint, "queue %s doesn't let sns.amazonaws.com write for %s", q.title(), pretty(s.u.seal(s.topic.Str())))
		}
	}
	key := keyOf(q.d)
	switch {
	case strings.Contains(key.Str(), "alias/aws/"):
		r.inResource(q.d, key, "SNS can't use the AWS-managed key of queue %s", q.title()).Fix = "Encrypt the queue with SQS's own key (SqsManagedSseEnabled), or with a KMS key whose policy lets sns.amazonaws.com in."
	case key != nil:
		k, ok := r.findKey(q.u, key)
		if !ok {
			return
		}
		docs := k.u.docsOf[k.d.Name]
		keyARN := evaluable(k.u.seal(k.u.arn(k.d)))
		if !slices.ContainsFunc(docs, func(d *document) bool { return r.resourceAllows(d, sns(), "kms:GenerateDataKey", keyARN, nil) }) {
			r.inResource(q.d, key, "the policy of key %s doesn't let sns.amazonaws.com encrypt for queue %s", k.d.Name, q.title())
		}
	}
}

// checkLastWins: two policies whose targets are the same resource.
func checkLastWins(r *run) {
	first := map[string]placed{}
	for _, u := range r.units {
		for _, d := range u.resources {
			if d.Type == "AWS::SNS::TopicInlinePolicy" || d.Type == "AWS::SQS::QueueInlinePolicy" {
				continue // made to be several
			}
			for _, n := range policyTargets(d) {
				text := n.Str()
				for _, o := range u.resources {
					if o != d && u.refers(n, o) && u.arn(o) != "" {
						text = u.arn(o)
					}
				}
				if text == "" || u.open(text) && !strings.HasPrefix(text, "arn:") {
					continue
				}
				key := d.Type + " " + u.account + " " + u.region + " " + u.seal(text)
				was, twice := first[key]
				if !twice {
					first[key] = placed{u, d}
					continue
				}
				if was.u == u && d.Condition != "" && was.d.Condition != d.Condition && was.d.Condition != "" {
					continue // one or the other
				}
				r.inResource(d, n, "%s and %s are policies of the same resource", d.Name, was.d.Name)
			}
		}
	}
}

func checkOwnerStatement(r *run, d *document) {
	if d.owner == nil || d.owner.Type != "AWS::SNS::TopicPolicy" || len(d.statements) == 0 {
		return
	}
	for _, s := range d.statements {
		for _, p := range s.principals {
			if s.allow && p.kind == "AWS" && (p.text() == "*" || d.own(p.account()) || d.account == "" && accountForm.MatchString(p.account())) {
				return
			}
		}
	}
	// In its own account identity policies suffice for a topic: only those
	// who have none depend on the statement.
	r.inDoc(d, nil, "%s has no statement for the topic's own account", d.label()).Severity = Advice
}

func checkSAMTopic(r *run, u *unit, d *template.Declared) {
	for _, e := range entries(d.Properties.Get("Events")) {
		topic := e.Value.Get("Properties", "Topic")
		if e.Value.Get("Type").Str() != "SNS" || topic == nil || !u.mayBeForeign(topic) {
			continue
		}
		has := slices.ContainsFunc(u.resources, func(o *template.Declared) bool {
			return o.Type == "AWS::Lambda::Permission" && u.refers(o.Properties.Get("FunctionName"), d) && serviceName(o.Properties.Get("Principal").Str()) == "sns" && o.Properties.Get("SourceArn") != nil
		})
		if !has {
			r.inResource(d, topic, "%s is called by a topic of another account, and no permission says so", d.Name)
		}
	}
}

// mayBeForeign says whether an ARN is, or seems to be, of another account: it
// says so, or a custom resource found it.
func (u *unit) mayBeForeign(n *template.Node) bool {
	if a, ok := splitARN(u.sealText(n.Str())); ok {
		return a.account != u.account && a.account != "" && !strings.Contains(a.account, "AWS-AccountId") && (u.account != "" || strings.Contains(a.account, "<"))
	}
	for _, ref := range n.Refs {
		if d := u.byName[ref.Name]; d != nil && customResource(d) {
			return true
		}
	}
	return false
}

func checkSubscriptionRegion(r *run, s subscription) {
	a, ok := splitARN(s.topic.Str())
	if !ok || s.u.region == "" || a.region == "" || strings.ContainsAny(a.region, "${<") || a.region == s.u.region || s.d.Type != "AWS::SNS::Subscription" {
		return
	}
	if s.region.Str() != a.region {
		r.inResource(s.d, s.topic, "the topic is in %s, the subscription is made in %s", a.region, s.u.region).Fix = "Add Region: " + a.region + " to the subscription."
	}
}

func checkRuleRegion(r *run, u *unit, d *template.Declared) {
	for _, t := range d.Properties.Get("Targets").List() {
		n := t.Get("Arn")
		a, ok := splitARN(n.Str())
		if !ok || u.region == "" || a.region == "" || strings.ContainsAny(a.region, "${<") || a.region == u.region || a.service == "events" {
			continue
		}
		r.inResource(d, n, "rule %s is in %s; its target is in %s", d.Name, u.region, a.region)
	}
}

// administering are the actions that hand a topic or queue over.
var administering = []string{"sns:AddPermission", "sns:RemovePermission", "sns:SetTopicAttributes", "sns:DeleteTopic", "sqs:AddPermission", "sqs:RemovePermission", "sqs:SetQueueAttributes", "sqs:DeleteQueue"}

func checkAdministered(r *run, s *statement) {
	p, ok := s.strangers()
	if !ok || !s.doc.shared() || s.doc.service != "sns" && s.doc.service != "sqs" {
		return
	}
	// SNS's default statement is for everybody of the owner's account.
	if p.text() == "*" && s.guarded("aws:sourceowner", "aws:principalaccount", "aws:sourceaccount") {
		return
	}
	for _, action := range administering {
		if !s.does(action) {
			continue
		}
		for _, a := range s.actions {
			if policy.MatchAction(a.Str(), action) {
				r.inDoc(s.doc, a, "%s lets %s %s", s.doc.label(), strangerName(p), action)
				return
			}
		}
	}
}
