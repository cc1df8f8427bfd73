/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes are no manifest, or one whose paths stay below its root and whose text is read back as the same. */
#include "fuzz.h"

#include "artifacts/artifacts_part.h"

static void check_entry(const struct entry *e)
{
    must(path_clean(e->path) && *e->path != '/');
    must(e->kind != ENTRY_LINK || link_inside(e->path, e->target));
    must(e->kind != ENTRY_FILE || strlen(e->hash) == 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest m, again;
    const char *text = (const char *)data;
    if (!manifest_parse(text, size, &m))
        return 0;
    for (size_t i = 0; i < m.n; i++)
        check_entry(&m.entries[i]);
    char *written CLEANUP_FREE = manifest_text(&m);
    must(manifest_parse(written, strlen(written), &again));
    must(again.n == m.n);
    for (size_t i = 0; i < m.n; i++)
        must(!strcmp(m.entries[i].path, again.entries[i].path));
    manifest_release(&again);
    manifest_release(&m);
    return 0;
}
