/* member.h - what the files about one subscriber share among themselves; what others may call is in publisher_state.h. */
#ifndef PLX_TOPIC_MEMBER_H
#define PLX_TOPIC_MEMBER_H

#include "topic/publisher_state.h"

/* ---- knock.c ---- */

/** plx_member_shaking() - it begins to shake hands. */
void plx_member_shaking(struct plx_member *m);
/** plx_member_shaken() - it has done so, or never will; may be said twice. */
void plx_member_shaken(struct plx_member *m);
/** plx_member_push_out() - make room for one more of process @pid. A crowd of one process is its own trouble. */
void plx_member_push_out(struct plx_publisher *pub, int32_t pid);
int plx_member_remember(struct plx_publisher *pub, struct plx_member *m) plx_must_check;
void plx_member_forget(struct plx_member *m);
/** plx_member_share() - may it have descriptors? Return: 0, -EMFILE (none to spare), -EUSERS (its process has enough). */
int plx_member_share(const struct plx_publisher *pub, const struct plx_member *m) plx_must_check;

/* ---- follow.c: inside ---- */

int plx_member_join(struct plx_publisher *pub, struct plx_member *m) plx_must_check;
/** plx_member_unjoin() - it never was. */
void plx_member_unjoin(struct plx_publisher *pub, struct plx_member *m);
/** plx_member_joined() - its grant is on its way: it counts. */
void plx_member_joined(struct plx_publisher *pub, struct plx_member *m);
void plx_member_part(struct plx_publisher *pub, struct plx_member *m, int reason);

/* ---- grant.c ---- */

/** plx_member_admit() - terms are good: give it what it needs. @step says what came of it. Return: 0 when it has it. */
int plx_member_admit(struct plx_member *m, struct plx_step *step,
		     const struct plx_offer *offer) plx_must_check;

/** plx_member_let_in() - the last step of that: among the followers, and the grant is sent. Return: 0 or -errno. */
int plx_member_let_in(struct plx_member *m, struct plx_step *step, struct plx_grant *grant,
		      const int *fds) plx_must_check;

/* ---- turned_away.c ---- */

/** plx_member_refused() - count it, and keep it for the user. @text may be empty. */
void plx_member_refused(struct plx_member *m, int error, const char *text);
/** plx_member_deny() - member->denied says why, and it has said hello. */
void plx_member_deny(struct plx_member *m, struct plx_step *step, const struct plx_offer *offer);
/** plx_member_say_why_not() - we are out of something: it need not guess. */
void plx_member_say_why_not(struct plx_member *m, int error);

#endif
