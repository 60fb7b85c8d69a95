'use strict';

// The document is asked for beside this page, wherever a proxy has put both. A key that is typed into "Authorize" stays in the
// page: it is sent with what is tried out, to this server alone, and forgotten with the page.
SwaggerUIBundle({
  url: 'v1/openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: 'list',
  filter: true,
  validatorUrl: null,
});
