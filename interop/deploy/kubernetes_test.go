// Package deploy_test judges the files of deploy by the types and rules of those who
// read them.
package deploy_test

import (
	"encoding/json"
	"errors"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/warder-dev/warder/internal/config"
)

// A kustomization is what of kustomize the folders use, and no more.
type kustomization struct {
	metav1.TypeMeta    `json:",inline"`
	Resources          []string `json:"resources"`
	ConfigMapGenerator []struct {
		Name     string   `json:"name"`
		Behavior string   `json:"behavior"`
		Files    []string `json:"files"`
	} `json:"configMapGenerator"`
	Images []struct {
		Name    string `json:"name"`
		NewName string `json:"newName"`
		NewTag  string `json:"newTag"`
	} `json:"images"`
	Patches []struct {
		Path string `json:"path"`
	} `json:"patches"`
}

// A cluster is what kubectl apply -k makes of a folder.
type cluster struct {
	objects map[string]any               // by kind and name
	files   map[string]map[string]string // of config maps, by name
	images  map[string]bool              // that are given a registry
}

// kinds are those of the manifests.
func kinds() map[string]func() any {
	return map[string]func() any{
		"apps/v1 StatefulSet":                func() any { return new(appsv1.StatefulSet) },
		"batch/v1 Job":                       func() any { return new(batchv1.Job) },
		"v1 Service":                         func() any { return new(corev1.Service) },
		"policy/v1 PodDisruptionBudget":      func() any { return new(policyv1.PodDisruptionBudget) },
		"networking.k8s.io/v1 NetworkPolicy": func() any { return new(networkingv1.NetworkPolicy) },
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// decoded is a document as its own type, in which every field is known.
func decoded(t *testing.T, name, text string) (key string, object any) {
	t.Helper()
	var head metav1.PartialObjectMetadata
	if err := yaml.Unmarshal([]byte(text), &head); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	make, known := kinds()[head.APIVersion+" "+head.Kind]
	if !known {
		t.Fatalf("%s: an object of %s %s", name, head.APIVersion, head.Kind)
	}
	object = make()
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return head.Kind + " " + head.Name, object
}

// built is what a folder comes to.
func built(t *testing.T, folder string) cluster {
	t.Helper()
	var k kustomization
	if err := yaml.UnmarshalStrict([]byte(read(t, filepath.Join(folder, "kustomization.yaml"))), &k); err != nil {
		t.Fatal(err)
	}
	c := cluster{map[string]any{}, map[string]map[string]string{}, map[string]bool{}}
	for _, name := range k.Resources {
		file := filepath.Join(folder, name)
		if filepath.Ext(file) == "" {
			c = built(t, file)
			continue
		}
		for i, text := range strings.Split(read(t, file), "\n---\n") {
			key, object := decoded(t, file, text)
			if _, twice := c.objects[key]; twice {
				t.Errorf("%s: document %d is %s once more", file, i, key)
			}
			c.objects[key] = object
		}
	}
	for _, g := range k.ConfigMapGenerator {
		if _, there := c.files[g.Name]; there != (g.Behavior == "replace") {
			t.Errorf("%s: the config map %s is there before: %v; behavior %q", folder, g.Name, there, g.Behavior)
		}
		c.files[g.Name] = map[string]string{}
		for _, name := range g.Files {
			c.files[g.Name][name] = filepath.Join(folder, name)
		}
	}
	for _, image := range k.Images {
		c.images[image.Name] = true
	}
	for _, p := range k.Patches {
		c.patch(t, filepath.Join(folder, p.Path))
	}
	return c
}

// patch merges a file into the object that it names, as kustomize does.
func (c cluster) patch(t *testing.T, file string) {
	t.Helper()
	text := read(t, file)
	key, _ := decoded(t, file, text)
	into, ok := c.objects[key].(*appsv1.StatefulSet)
	if !ok {
		t.Fatalf("%s: patches %s, which is not there", file, key)
	}
	before, err := json.Marshal(into)
	if err != nil {
		t.Fatal(err)
	}
	var whole, change map[string]any
	if err := errors.Join(yaml.Unmarshal(before, &whole), yaml.Unmarshal([]byte(text), &change)); err != nil {
		t.Fatal(err)
	}
	merge(t, file, whole, change)
	after, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	merged := new(appsv1.StatefulSet)
	if err := yaml.UnmarshalStrict(after, merged); err != nil {
		t.Fatal(err)
	}
	c.objects[key] = merged
}

// merge puts change into whole. A list that takes the place of another one is for who
// knows by which fields kustomize tells entries apart: there is none.
func merge(t *testing.T, at string, whole, change map[string]any) {
	t.Helper()
	for name, value := range change {
		there, known := whole[name]
		inner, both := there.(map[string]any)
		more, isMap := value.(map[string]any)
		switch _, isList := there.([]any); {
		case both && isMap:
			merge(t, at+"."+name, inner, more)
		case known && (isList || both):
			t.Errorf("%s.%s: a patch of a list", at, name)
		default:
			whole[name] = value
		}
	}
}

// template is what the pods of an object are made from.
func template(object any) *corev1.PodTemplateSpec {
	switch o := object.(type) {
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	default:
		return nil
	}
}

// TestTheManifests: each folder is what the API server takes, its pods pass the
// strictest of the Pod Security Standards, and one thing fits the other.
func TestTheManifests(t *testing.T) {
	standards, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for folder, replicas := range map[string]int32{"base": 1, "fleet": 3, "migrate": 0} {
		t.Run(folder, func(t *testing.T) {
			c := built(t, filepath.Join("../../deploy/kubernetes", folder))
			pods := 0
			for key, object := range c.objects {
				of := template(object)
				if of == nil {
					continue
				}
				pods++
				if is := policy.AggregateCheckResults(standards.EvaluatePod(restricted, &of.ObjectMeta, &of.Spec)); !is.Allowed {
					t.Errorf("%s is not restricted: %s", key, is.ForbiddenDetail())
				}
				c.checkPod(t, key, &of.Spec)
			}
			if pods != 1 {
				t.Errorf("%d objects make pods", pods)
			}
			if replicas > 0 {
				c.checkGateways(t, replicas)
			}
		})
	}
	// The judge finds what is wrong.
	bad := built(t, "../../deploy/kubernetes/base").objects["StatefulSet warder"].(*appsv1.StatefulSet).Spec.Template //nolint:errcheck,forcetypeassert // a test panics
	bad.Spec.Containers[0].SecurityContext.Capabilities = nil
	if is := policy.AggregateCheckResults(standards.EvaluatePod(restricted, &bad.ObjectMeta, &bad.Spec)); is.Allowed {
		t.Error("a container with capabilities passes as restricted")
	}
}

// checkPod looks at what every pod of warder needs.
func (c cluster) checkPod(t *testing.T, key string, pod *corev1.PodSpec) {
	t.Helper()
	if len(pod.Containers) != 1 || !c.images[pod.Containers[0].Image] {
		t.Fatalf("%s: containers %+v, images %v", key, pod.Containers, c.images)
	}
	own := pod.Containers[0]
	if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks || pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Errorf("%s: variables of services or a token of the cluster come into the pod", key)
	}
	if s := own.SecurityContext; s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || *pod.SecurityContext.RunAsUser != 65532 || *pod.SecurityContext.FSGroup != 65532 {
		t.Errorf("%s: it does not run as the image's user in a file system that it cannot change", key)
	}
	for _, v := range pod.Volumes {
		if v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0o440) {
			t.Errorf("%s: secrets of %s may be read by others", key, v.Name)
		}
		if v.EmptyDir != nil {
			t.Errorf("%s: %s goes with the pod, and with it what was seen of the database", key, v.Name)
		}
	}
	for _, e := range own.Env {
		if e.Name == "WARDER_POSTGRES_PASSWORD" && !mounted(own, strings.TrimPrefix(e.Value, "file:"), "owner") {
			t.Errorf("%s: %s is in no volume of secrets", key, e.Value)
		}
	}
}

// mounted reports whether a file is in a volume.
func mounted(c corev1.Container, file, volume string) bool {
	return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume && path.Dir(file) == m.MountPath })
}

// checkGateways holds the pods of gateways against their configuration and what stands
// around them.
func (c cluster) checkGateways(t *testing.T, replicas int32) {
	t.Helper()
	set, ok := c.objects["StatefulSet warder"].(*appsv1.StatefulSet)
	if !ok || *set.Spec.Replicas != replicas {
		t.Fatalf("the set: %+v", set)
	}
	pod, own := &set.Spec.Template.Spec, set.Spec.Template.Spec.Containers[0]
	c.checkSelectors(t, set)
	if p := pod.SecurityContext.FSGroupChangePolicy; p == nil || *p != corev1.FSGroupChangeOnRootMismatch {
		t.Error("the kubelet gives the files of warder to their group at each start, and it refuses them")
	}
	file := c.files["warder"]["warder.yaml"]
	text := read(t, file)
	cfg := checked(t, text, own.Env)
	for _, secret := range regexp.MustCompile(`/run/secrets/[^\s"?&]+`).FindAllString(text, -1) {
		if !mounted(own, secret, "secrets") {
			t.Errorf("%s: %s is in no volume of secrets", file, secret)
		}
	}
	if !mounted(own, "/etc/warder/warder.yaml", "config") || pod.Volumes[0].ConfigMap.Name != "warder" || !slices.Contains(own.Env, corev1.EnvVar{Name: "WARDER_CONFIG", Value: "/etc/warder/warder.yaml"}) {
		t.Error("the configuration is not where it is looked for")
	}
	seen := cfg.Beside(".seen")
	if !path.IsAbs(seen) {
		seen = path.Join("/var/lib/warder", seen) // where the image runs
	}
	if claims := set.Spec.VolumeClaimTemplates; len(claims) != 1 || claims[0].Name != "data" || !mounted(own, seen, "data") {
		t.Errorf("%s is on no disk of its own: %+v", seen, claims)
	}
	ports := map[string]int32{}
	for _, p := range own.Ports {
		ports[p.Name] = p.ContainerPort
	}
	if cfg.Listen != ":8080" || ports["http"] != 8080 || cfg.HealthListen != ":8082" || ports["health"] != 8082 || len(ports) != 2 {
		t.Errorf("it listens on %s and %s, the ports are %v", cfg.Listen, cfg.HealthListen, ports)
	}
	for what, probe := range map[string]*corev1.Probe{"/readyz": own.ReadinessProbe, "/healthz": own.LivenessProbe} {
		if g := probe.HTTPGet; g == nil || g.Path != what || g.Port.String() != "health" {
			t.Errorf("%s is asked by %+v", what, probe)
		}
	}
	grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
	if drain := cfg.Timeouts.ShutdownDelay + cfg.Timeouts.Drain; grace <= drain || cfg.Timeouts.ShutdownDelay <= time.Duration(own.ReadinessProbe.PeriodSeconds)*time.Second {
		t.Errorf("the pod gets %s to stop, and its gateway wants %s, %s of them for being noticed", grace, drain, cfg.Timeouts.ShutdownDelay)
	}
	if cfg.IsPostgres() != (replicas > 1) || replicas > 1 && cfg.Redis.Nodes != int(replicas) {
		t.Errorf("%d nodes share %s", replicas, cfg.DB)
	}
}

// checkSelectors: what selects pods selects those of the set.
func (c cluster) checkSelectors(t *testing.T, set *appsv1.StatefulSet) {
	t.Helper()
	of := labels.Set(set.Spec.Template.Labels)
	service := c.objects["Service warder"].(*corev1.Service)                          //nolint:errcheck,forcetypeassert // a test panics
	budget := c.objects["PodDisruptionBudget warder"].(*policyv1.PodDisruptionBudget) //nolint:errcheck,forcetypeassert // a test panics
	in := c.objects["NetworkPolicy warder"].(*networkingv1.NetworkPolicy)             //nolint:errcheck,forcetypeassert // a test panics
	behind := c.objects["NetworkPolicy behind-warder"].(*networkingv1.NetworkPolicy)  //nolint:errcheck,forcetypeassert // a test panics
	for what, s := range map[string]*metav1.LabelSelector{
		"the set": set.Spec.Selector, "the service": {MatchLabels: service.Spec.Selector}, "the budget": budget.Spec.Selector,
		"the policy": &in.Spec.PodSelector, "the API's policy": behind.Spec.Ingress[0].From[0].PodSelector,
	} {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil || selector.Empty() || !selector.Matches(of) {
			t.Errorf("%s selects %v, which is not the pods: %v", what, selector, err)
		}
	}
	if set.Spec.ServiceName != service.Name || service.Spec.Ports[0].TargetPort.String() != "http" || len(in.Spec.Ingress) != 1 || in.Spec.Ingress[0].Ports[0].Port.String() != "http" {
		t.Error("what leads to the pods leads elsewhere than to their gateway")
	}
}

// checked loads a configuration whose secrets are there, with the variables of a pod.
func checked(t *testing.T, text string, variables []corev1.EnvVar) *config.Config {
	t.Helper()
	folder := t.TempDir()
	text = regexp.MustCompile(`/run/secrets/([^\s"?&]+)`).ReplaceAllStringFunc(text, func(name string) string {
		file := filepath.Join(folder, path.Base(name))
		if err := os.WriteFile(file, []byte("0123456789abcdef0123456789abcdef\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	})
	file := filepath.Join(folder, "warder.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var environ []string
	for _, v := range variables {
		environ = append(environ, v.Name+"="+v.Value)
	}
	cfg, err := config.Load(config.Source{File: file, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range cfg.Findings() {
		if f.Field != "listen" { // TLS ends in front of it
			t.Errorf("a finding: %s", f)
		}
	}
	return cfg
}

// TestTheSecretInTheGuide has what the configuration of one warder names.
func TestTheSecretInTheGuide(t *testing.T) {
	page := read(t, "../../docs/guide/deploy.md")
	named := func(text, pattern string) (all []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	made := named(page, `--from-file=([a-z-]+)=secrets/`)
	if base := named(read(t, "../../deploy/kubernetes/base/warder.yaml"), `/run/secrets/warder/([a-z.-]+)`); !slices.Equal(made, base) {
		t.Errorf("the guide makes %q, the configuration names %q", made, base)
	}
	_, fleet, _ := strings.Cut(page, "Its Secret has four more: ")
	fleet, _, _ = strings.Cut(fleet, ". ")
	more := slices.Sorted(slices.Values(slices.Concat(made, named(fleet, "`([a-z]+-(?:password|ca\\.crt))`"))))
	if all := named(read(t, "../../deploy/kubernetes/fleet/warder.yaml"), `/run/secrets/warder/([a-z.-]+)`); !slices.Equal(more, all) {
		t.Errorf("the guide has %q for a fleet, its configuration names %q", more, all)
	}
}
