/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes are refused with an error or become a value, and what is written of it reads back the same; so does any text. */
#include "fuzz.h"

#include "model/yaml.h"

static void round_trip(const json_t *value)
{
    struct error error = {0};
    char *text CLEANUP_FREE = yaml_dump(value);
    if (strlen(text) > YAML_MAX_BYTES)
        return;
    json_t *back = yaml_load(text, strlen(text), &error);
    must(back && json_equal(value, back));
    json_decref(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    json_t *value = yaml_load((const char *)data, size, &error);
    must((value != NULL) == !error.code);
    if (value)
        round_trip(value);
    json_decref(value);
    char *text CLEANUP_FREE = fuzz_text(data, size);
    json_t *nested = json_pack("[{s:s, s:[s]}]", "text", text, text, text); /* NULL when it is not UTF-8 */
    if (nested)
        round_trip(nested);
    json_decref(nested);
    return 0;
}
