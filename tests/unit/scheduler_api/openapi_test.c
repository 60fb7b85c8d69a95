/* docs/openapi.yaml names exactly the routes that are served. The document is read line by line: a
 * path is a line of two blanks and "/v1…:", its methods are lines of four blanks and a word. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scheduler/api/api.h"

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

static size_t find(const struct api_route *routes, size_t count, const char *path,
                   const char *method)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(routes[i].pattern, path) == 0 &&
            strcasecmp(api_method_name(routes[i].method), method) == 0)
            return i;
    return count;
}

Test(openapi, document_names_the_routes_that_are_served)
{
    const struct api_route *routes;
    size_t count = api_routes(&routes);
    bool *named = calloc(count, sizeof(*named));
    FILE *file = open_document();
    char path[128] = "";
    char line[1024];

    while (fgets(line, sizeof(line), file)) {
        char word[128];
        size_t at;

        if (line[0] != ' ' && line[0] != '\n')
            path[0] = '\0';
        if (sscanf(line, "  %127[^:\n]:", word) != 1 || line[2] == ' ' || line[0] != ' ') {
            if (!path[0] || strncmp(line, "    ", 4) != 0 || line[4] == ' ' ||
                sscanf(line, " %127[a-z]:", word) != 1 || strcmp(word, "parameters") == 0)
                continue;
            at = find(routes, count, path, word);
            cr_assert(at < count, "%s %s is in the document and not served", word, path);
            cr_assert(!named[at], "%s %s is there twice", word, path);
            named[at] = true;
        } else {
            snprintf(path, sizeof(path), "%s", strncmp(word, "/v1/", 4) == 0 ? word : "");
        }
    }
    fclose(file);
    for (size_t i = 0; i < count; i++)
        cr_assert(named[i], "%s %s is served and not in the document",
                  api_method_name(routes[i].method), routes[i].pattern);
    free(named);
}
