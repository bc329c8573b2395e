package server

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	kubewait "k8s.io/apimachinery/pkg/util/wait"

	"github.com/edgeway-io/edgeway/internal/limit"
	"github.com/edgeway-io/edgeway/internal/portcheck"
	"github.com/edgeway-io/edgeway/internal/settings"
	"github.com/edgeway-io/edgeway/internal/strictjson"
)

// Config is what a Server needs.
type Config struct {
	Version string
	// Clusters that the console manages.
	Clusters Clusters
	// KubeEdge switches and configures KubeEdge.
	KubeEdge KubeEdge
	// Join answers devices at the paths of package wire; nil refuses them with the reason.
	Join http.Handler
	// Installers knows the checksum of the edgectl that devices download.
	Installers Installers
	// UI holds index.html and assets.
	UI fs.FS
	// ExternalURL is how browsers and devices reach the console, without a path.
	ExternalURL *url.URL
	// KeyPin gives "sha256//BASE64" of the TLS key in use; nil when the console serves
	// plain HTTP.
	KeyPin func() string
	// OIDC lets people sign in at an issuer; nil when there is none.
	OIDC *OIDC
	// Proxies whose word for a client's address is taken.
	Proxies limit.Proxies
	Log     *slog.Logger
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Server answers the console's HTTP requests.
type Server struct {
	cfg        Config
	log        *slog.Logger
	mux        *http.ServeMux
	api        huma.API
	sessions   *sessions
	operations *operations
	capacity   *capacity
	signIns    signInLimits
	portChecks *limit.Rates
	checkPorts func(context.Context, []portcheck.Target) []portcheck.Result
	attempts   *attempts
}

// New builds a Server with all its routes.
func New(cfg Config) (*Server, error) {
	configureLibrary()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, mux: http.NewServeMux(),
		sessions:   newSessions(cfg.Now),
		operations: newOperations(cfg.Now),
		capacity:   newCapacity(),
		signIns:    newSignInLimits(cfg.Now),
		portChecks: limit.NewRates(cfg.Now, 0.2, 3), checkPorts: portcheck.Check,
		attempts: newAttempts(cfg.Now),
	}
	s.api = humago.New(s.mux, apiConfig(cfg.Version))
	s.api.UseMiddleware(s.withCall)
	s.routes()
	s.joinRoutes()
	s.documentRights()
	ui, err := newUI(cfg.UI)
	if err != nil {
		return nil, fmt.Errorf("load the web UI: %w", err)
	}
	s.mux.Handle("GET /", ui)
	return s, nil
}

// Handler answers all requests, with security headers on every answer.
func (s *Server) Handler() http.Handler { return s.secureHeaders(bodyDeadline(s.mux)) }

// Background ends sessions that are over, and their streams with them, until ctx ends.
func (s *Server) Background(ctx context.Context) {
	kubewait.UntilWithContext(ctx, s.reviewAll, reviewEvery)
}

// OpenAPI is the document that describes the API, in JSON.
func (s *Server) OpenAPI() ([]byte, error) { return s.api.OpenAPI().MarshalJSON() }

func apiConfig(version string) huma.Config {
	c := huma.DefaultConfig("Edgeway console", version)
	c.Info.Description = "Brings KubeEdge to clusters: enable it, join edge nodes, read their logs and metrics."
	c.OpenAPIPath = "/api/v1/openapi"
	c.DocsPath, c.SchemasPath = "", ""
	c.CreateHooks = nil // no $schema links in answers
	strict := huma.DefaultJSONFormat
	strict.Unmarshal = strictjson.Unmarshal
	c.Formats = map[string]huma.Format{"application/json": strict, "json": strict}
	c.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session": {Type: "apiKey", In: "cookie", Name: cookieName, Description: "Set by POST /api/v1/session."},
	}
	return c
}

// schemaName keeps the parts of the settings apart from what clusters really
// have: both know pods and ports.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	own := reflect.TypeFor[settings.Settings]()
	if t.PkgPath() == own.PkgPath() && t != own && t != reflect.TypeFor[settings.Problem]() {
		return own.Name() + name
	}
	return name
}
