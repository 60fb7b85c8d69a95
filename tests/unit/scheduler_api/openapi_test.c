/* docs/openapi.yaml names exactly the routes that are served. The document is read line by line: a
 * path is a line of two blanks and "/v1…:", its methods are lines of four blanks and a word. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scheduler/api/surfaces.h"

static FILE *open_document(void)
{
    FILE *file = fopen("docs/openapi.yaml", "r");
    const char *here = __FILE__;
    char path[512];

    if (!file) {
        snprintf(path, sizeof(path), "%.*sdocs/openapi.yaml",
                 (int)(strstr(here, "tests/unit/") - here), here);
        file = fopen(path, "r");
    }
    cr_assert(file, "docs/openapi.yaml is not there");
    return file;
}

static size_t find(const struct endpoints *endpoints, const char *path, const char *method)
{
    for (size_t i = 0; i < endpoints->count; i++)
        if (strcmp(endpoints->items[i]->pattern, path) == 0 &&
            strcasecmp(http_method_name(endpoints->items[i]->method), method) == 0)
            return i;
    return endpoints->count;
}

Test(openapi, document_names_the_routes_that_are_served)
{
    struct endpoints endpoints;
    FILE *file = open_document();
    char path[128] = "";
    char line[1024];
    bool *named;

    endpoints_init(&endpoints, surfaces, surfaces_count);
    named = calloc(endpoints.count, sizeof(*named));

    while (fgets(line, sizeof(line), file)) {
        char word[128];
        size_t at;

        if (line[0] != ' ' && line[0] != '\n')
            path[0] = '\0';
        if (sscanf(line, "  %127[^:\n]:", word) != 1 || line[2] == ' ' || line[0] != ' ') {
            if (!path[0] || strncmp(line, "    ", 4) != 0 || line[4] == ' ' ||
                sscanf(line, " %127[a-z]:", word) != 1 || strcmp(word, "parameters") == 0)
                continue;
            at = find(&endpoints, path, word);
            cr_assert(at < endpoints.count, "%s %s is in the document and not served", word, path);
            cr_assert(!named[at], "%s %s is there twice", word, path);
            named[at] = true;
        } else {
            snprintf(path, sizeof(path), "%s", strncmp(word, "/v1/", 4) == 0 ? word : "");
        }
    }
    fclose(file);
    for (size_t i = 0; i < endpoints.count; i++)
        cr_assert(named[i], "%s %s is served and not in the document",
                  http_method_name(endpoints.items[i]->method), endpoints.items[i]->pattern);
    free(named);
    endpoints_deinit(&endpoints);
}
