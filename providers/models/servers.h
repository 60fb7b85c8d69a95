#pragma once
/* Servers whose habits are known, by host, as data. */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct server_info {
    const char *host;          /* or its end, when it begins with a dot */
    const char *provider_name; /* a provider of this name has its habits at an unknown address, too;
                                * NULL: none has */
    const char *key_variable;  /* it serves nobody without a key; NULL: not known */
    struct provider_habits habits;
};

/* The server at a url; NULL: nothing is known of it. */
const struct server_info *server_find(const char *url);

/* What the server of a provider does differently: by its address, or else by its name. */
struct provider_habits server_habits(const char *provider_name, const char *url);
