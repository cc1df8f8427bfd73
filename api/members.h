/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the body of each route may hold: the lists that routes.def names. `unchecked`: whoever reads the body says what is wrong with it. */
#ifndef HONE_API_MEMBERS_H
#define HONE_API_MEMBERS_H

#include "router.h"

#define members_unchecked NULL
extern const struct member members_nothing[], members_project[], members_stop[], members_clone[], members_suggest[], members_trial[], members_report[],
    members_force[], members_rerun[], members_alias[], members_heartbeat[], members_complete[], members_fail[], members_trainer_status[];

#endif
