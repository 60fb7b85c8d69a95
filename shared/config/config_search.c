/* Search engines: a list in the order in which they are asked. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config_internal.h"

#define ENGINES_MAX      8
#define RATE_MAX         INT64_C(1000000)
#define INTERVAL_MAX_MS  INT64_C(60000)
#define TIMEOUT_MAX_MS   INT64_C(60000)
#define TIMEOUT_OTHER_MS INT64_C(10000)
#define KEY_BYTES_MAX    4096

static const struct kind {
    const char *name;
    const char *base_url; /* NULL: it has to be said */
    bool needs_key;
} kinds[] = {
    {"searxng", NULL, false},
    {"brave", "https://api.search.brave.com", true},
    {"tavily", "https://api.tavily.com", true},
};

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LENGTH(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static int check_texts(const struct config_place *place,
                       const struct config_file_search_engine *from, struct error *err)
{
    int r = config_check_member(place, "name", from->name, config_check_name, err);

    if (r == 0)
        r = config_check_member(place, "base_url", from->base_url, config_check_http_url, err);
    if (r == 0)
        r = config_check_member(place, "api_key", from->api_key, config_check_optional_secret, err);
    return r;
}

/* The address of a search, as it stands in a browser, in place of the instance's. */
static bool adds_path(const struct kind *kind, const char *base_url)
{
    return !kind->base_url && text_ends(text_of(base_url), "/search");
}

static int check_whole(const struct config_place *place, const struct kind *kind,
                       const struct config_file_search_engine *from, struct error *err)
{
    bool has_key = from->api_key && *from->api_key;
    bool has_file = from->api_key_file && *from->api_key_file;

    if (!kind)
        return config_complain(place, "kind", "must be searxng, brave or tavily", err);
    if (!kind->base_url && !from->base_url)
        return config_complain(place, "", "must have a base_url: where the instance is", err);
    if (from->base_url && adds_path(kind, from->base_url))
        return config_complain(place, "base_url",
                               "must be without \"/search\", which is added to it", err);
    if (has_key && has_file)
        return config_complain(place, "api_key_file", "must not be there beside api_key", err);
    if (kind->needs_key && !has_key && !has_file)
        return config_complain(place, "", "must have an api_key, or an api_key_file", err);
    return check_texts(place, from, err);
}

struct number {
    const char *member;
    const int64_t *value;
    int64_t *out;
    int64_t min;
    int64_t max;
    int64_t otherwise;
};

static int apply_number(const struct config_place *place, const struct number *number,
                        struct error *err)
{
    char complaint[64];

    *number->out = number->value ? *number->value : number->otherwise;
    if (*number->out >= number->min && *number->out <= number->max)
        return 0;
    (void)snprintf(complaint, sizeof(complaint), "must be %lld to %lld", (long long)number->min,
                   (long long)number->max);
    return config_complain(place, number->member, complaint, err);
}

static char *without_slashes(const char *url)
{
    size_t len = strlen(url);

    while (len > 0 && url[len - 1] == '/')
        len--;
    return xstrndup(url, len);
}

static int apply_engine(struct config *config, const struct config_place *place,
                        const struct config_file_search_engine *from, struct error *err)
{
    const struct kind *kind = find_kind(from->kind);
    struct config_search_engine *to;
    int r = check_whole(place, kind, from, err);

    if (r < 0)
        return r;
    to = &config->web_search[config->web_search_count++];
    *to = (struct config_search_engine){
        .name = xstrdup(from->name ? from->name : kind->name),
        .kind = xstrdup(kind->name),
        .base_url = without_slashes(from->base_url ? from->base_url : kind->base_url),
        .api_key = xstrdup(from->api_key ? from->api_key : ""),
        .api_key_file = xstrdup(from->api_key_file ? from->api_key_file : ""),
    };
    for (unsigned i = 0; i + 1 < config->web_search_count; i++)
        if (strcmp(config->web_search[i].name, to->name) == 0)
            return config_complain(place, "name",
                                   "is there already: names of search engines must differ", err);
    r = apply_number(place,
                     &(struct number){"requests_per_minute", from->requests_per_minute,
                                      &to->requests_per_minute, 0, RATE_MAX, 0},
                     err);
    if (r == 0)
        r = apply_number(place,
                         &(struct number){"interval_ms", from->interval_ms, &to->interval_ms, 0,
                                          INTERVAL_MAX_MS, 0},
                         err);
    if (r == 0)
        r = apply_number(place,
                         &(struct number){"timeout_ms", from->timeout_ms, &to->timeout_ms, 100,
                                          TIMEOUT_MAX_MS, TIMEOUT_OTHER_MS},
                         err);
    return r;
}

int config_apply_search(struct config *config, struct config_file *file, struct error *err)
{
    unsigned count = file->data ? file->data->web_search_count : 0;
    int r = 0;

    config->web_search = xcalloc(count + 1, sizeof(*config->web_search));
    for (unsigned i = 0; r == 0 && i < count; i++) {
        const struct config_place place = {file, "web_search", i};

        r = i < ENGINES_MAX ? apply_engine(config, &place, &file->data->web_search[i], err)
                            : config_complain(&place, "", "is one too many: 8 at most", err);
    }
    return r;
}

static int take_key(const struct config_search_engine *engine, FILE *stream,
                    char bytes[KEY_BYTES_MAX + 1], char **out, struct error *err)
{
    struct text key = text_trim((struct text){bytes, fread(bytes, 1, KEY_BYTES_MAX + 1, stream)});
    char *copy;

    if (ferror(stream) || key.len == 0 || key.len > KEY_BYTES_MAX)
        return error_set(err, E_INVALID,
                         "api_key_file of the search engine %.60s has no key of 1 to %d bytes",
                         engine->name, KEY_BYTES_MAX);
    copy = xstrndup(key.ptr, key.len);
    if (config_check_secret(copy)) {
        (void)error_set(err, E_INVALID, "api_key_file of the search engine %.60s %s", engine->name,
                        config_check_secret(copy));
        explicit_bzero(copy, key.len);
        free(copy);
        return -E_INVALID;
    }
    *out = copy;
    return 0;
}

int config_search_key(const struct config_search_engine *engine, char **out, struct error *err)
{
    char bytes[KEY_BYTES_MAX + 1];
    FILE *stream;
    int r;

    if (!*engine->api_key_file) {
        *out = xstrdup(engine->api_key);
        return 0;
    }
    stream = fopen(engine->api_key_file, "re");
    if (!stream)
        return error_set_errno(err, errno, "api_key_file of the search engine %.60s", engine->name);
    r = take_key(engine, stream, bytes, out, err);
    explicit_bzero(bytes, sizeof(bytes));
    (void)fclose(stream);
    return r;
}
