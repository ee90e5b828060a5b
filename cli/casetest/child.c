/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/child.h"

#include "base/mem.h"
#include "sink/outfile.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

struct one {
	struct nr_child *out;
	int (*work)(void *arg, size_t i, int out_fd);
	void *arg;
};

static int work(void *arg, size_t i, int out_fd)
{
	const struct one *x = arg;

	return x->work(x->arg, i, out_fd);
}

static char *copy(const char *p, size_t n)
{
	char *out = nr_xmalloc(n + 1);

	memcpy(out, p, n + 1);
	return out;
}

static void done(void *arg, size_t i, const struct nr_child *child)
{
	const struct one *x = arg;

	(void)i;
	*x->out = *child;
	x->out->out = copy(child->out, child->out_len);
	x->out->err = copy(child->err, child->err_len);
}

int nr_child_run(struct nr_child *out, int (*work_fn)(void *arg, size_t i, int out_fd),
		 void *arg, int64_t timeout_ns, struct nr_err *err)
{
	struct one x = { out, work_fn, arg };
	const struct nr_pool pool = { .n = 1,
				      .jobs = 1,
				      .timeout_ns = timeout_ns,
				      .work = work,
				      .done = done,
				      .arg = &x };

	*out = (struct nr_child){ 0 };
	return nr_pool_run(&pool, err);
}

void nr_child_fini(struct nr_child *c)
{
	nr_free(c->out);
	nr_free(c->err);
	*c = (struct nr_child){ 0 };
}

const char *nr_child_death(const struct nr_child *c, char out[64])
{
	const char *name;

	if (c->timed_out) {
		snprintf(out, 64, "it was killed after its time");
	} else if (WIFSIGNALED(c->status)) {
		name = sigabbrev_np(WTERMSIG(c->status));
		snprintf(out, 64, "SIG%s (%s)", name ? name : "?",
			 strsignal(WTERMSIG(c->status)));
	} else {
		snprintf(out, 64, "status %d", WEXITSTATUS(c->status));
	}
	return out;
}

int nr_child_write(int fd, const void *p, size_t n)
{
	return nr_write_all(fd, p, n) ? 1 : 0;
}
