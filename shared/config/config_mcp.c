/* Servers of the Model Context Protocol that the operator offers to agents. */

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config_internal.h"

#define LABEL_MAX 32

static const char *check_label(const char *value)
{
    size_t length = strlen(value);
    size_t letters =
        strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    return length > 0 && length <= LABEL_MAX && letters == length && !strchr("0123456789_-", *value)
               ? NULL
               : "must be a letter, and letters, digits, '_' and '-' behind it, 32 at most";
}

static const char *check_path(const char *value)
{
    return *value == '/' && !strstr(value, "/../") ? NULL : "must be a path that begins with '/'";
}

static const char *check_variable(const char *value)
{
    const char *equals = strchr(value, '=');

    return equals && equals != value ? NULL : "must be NAME=value";
}

static const char *check_any(const char *value)
{
    (void)value;
    return NULL;
}

struct words {
    const char *member;
    char *const *from;
    unsigned count;
    const char *(*check)(const char *value);
};

static int read_words(const struct config_place *place, const struct words *words, char ***to,
                      unsigned *to_count, struct error *err)
{
    if (words->count == 0)
        return 0;
    *to = xcalloc(words->count, sizeof(**to));
    for (unsigned i = 0; i < words->count; i++) {
        char member[32];
        int r;

        (void)snprintf(member, sizeof(member), "%s[%u]", words->member, i);
        r = config_check_member(place, member, words->from[i], words->check, err);
        if (r < 0)
            return r;
        (*to)[(*to_count)++] = xstrdup(words->from[i]);
    }
    return 0;
}

static int read_switch(const struct config_place *place, const char *member, const char *word,
                       bool otherwise, bool *out, struct error *err)
{
    enum config_switch value;

    if (!config_switch_of(word, &value))
        return config_complain(place, member, "must be true or false", err);
    *out = value == CONFIG_UNSET ? otherwise : value == CONFIG_ON;
    return 0;
}

static int read_lists(const struct config_place *place, const struct config_file_mcp_server *from,
                      struct config_mcp_server *to, struct error *err)
{
    const struct words headers = {"headers", from->headers, from->headers_count,
                                  config_check_header};
    const struct words args = {"args", from->args, from->args_count, check_any};
    const struct words env = {"env", from->env, from->env_count, check_variable};
    const struct words read = {"read", from->read, from->read_count, check_path};
    const struct words write = {"write", from->write, from->write_count, check_path};
    int r = read_words(place, &headers, &to->headers, &to->headers_count, err);

    if (r == 0)
        r = read_words(place, &args, &to->args, &to->args_count, err);
    if (r == 0)
        r = read_words(place, &env, &to->env, &to->env_count, err);
    if (r == 0)
        r = read_words(place, &read, &to->read, &to->read_count, err);
    return r == 0 ? read_words(place, &write, &to->write, &to->write_count, err) : r;
}

/* What does not go with a url, or without one. */
static int check_kind(const struct config_place *place, const struct config_file_mcp_server *from,
                      struct error *err)
{
    if (!from->url == !from->command)
        return config_complain(place, "", "must have either url or command", err);
    if (from->url && (from->args_count || from->env_count || from->read_count ||
                      from->write_count || from->network || from->sandbox))
        return config_complain(place, "url", "goes with headers only, of these members", err);
    if (from->command && from->headers_count)
        return config_complain(place, "headers", "goes with url only", err);
    if (from->command && from->oauth)
        return config_complain(place, "oauth", "goes with url only", err);
    return 0;
}

static char *copy_if(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static int read_oauth(const struct config_place *place, const struct config_file_mcp_oauth *from,
                      struct config_mcp_server *to, struct error *err)
{
    int r;

    if (!from)
        return 0;
    if (!from->client_id || !*from->client_id || !from->client_secret || !*from->client_secret)
        return config_complain(place, "oauth", "must have a client_id and a client_secret", err);
    r = config_check_member(place, "oauth.token_url", from->token_url, config_check_http_url, err);
    if (r < 0)
        return r;
    to->client_id = xstrdup(from->client_id);
    to->client_secret = xstrdup(from->client_secret);
    to->token_url = copy_if(from->token_url);
    to->scopes = copy_if(from->scopes);
    return 0;
}

static int read_server(const struct config_place *place, const struct config_file_mcp_server *from,
                       struct config_mcp_server *to, struct error *err)
{
    int r;

    if (!from->label)
        return config_complain(place, "", "must have a label", err);
    r = config_check_member(place, "label", from->label, check_label, err);
    for (unsigned i = 0; r == 0 && i < place->index; i++)
        if (strcmp(place->file->data->mcp_servers[i].label, from->label) == 0)
            r = config_complain(place, "label", "is there already: labels of servers must differ",
                                err);
    if (r == 0)
        r = check_kind(place, from, err);
    if (r == 0)
        r = config_check_member(place, "url", from->url, config_check_http_url, err);
    if (r == 0)
        r = config_check_member(place, "command", from->command, check_path, err);
    if (r == 0)
        r = read_switch(place, "network", from->network, false, &to->network, err);
    if (r == 0)
        r = read_switch(place, "sandbox", from->sandbox, true, &to->sandbox, err);
    if (r < 0)
        return r;
    to->label = xstrdup(from->label);
    to->url = from->url ? xstrdup(from->url) : NULL;
    to->command = from->command ? xstrdup(from->command) : NULL;
    r = read_oauth(place, from->oauth, to, err);
    return r == 0 ? read_lists(place, from, to, err) : r;
}

int config_apply_mcp_servers(struct config *config, struct config_file *file, struct error *err)
{
    unsigned count = file->data ? file->data->mcp_servers_count : 0;
    int r = 0;

    config->mcp_servers = xcalloc(count + 1, sizeof(*config->mcp_servers));
    while (r == 0 && config->mcp_servers_count < count) {
        unsigned i = config->mcp_servers_count++;
        struct config_place place = {file, "mcp_servers", i};

        r = read_server(&place, &file->data->mcp_servers[i], &config->mcp_servers[i], err);
    }
    return r;
}

static void free_words(char **words, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        free(words[i]);
    free(words);
}

void config_mcp_servers_free(struct config *config)
{
    for (unsigned i = 0; i < config->mcp_servers_count; i++) {
        struct config_mcp_server *server = &config->mcp_servers[i];

        free(server->label);
        free(server->url);
        free(server->command);
        free(server->client_id);
        free(server->client_secret);
        free(server->token_url);
        free(server->scopes);
        free_words(server->headers, server->headers_count);
        free_words(server->args, server->args_count);
        free_words(server->env, server->env_count);
        free_words(server->read, server->read_count);
        free_words(server->write, server->write_count);
    }
    free(config->mcp_servers);
}
