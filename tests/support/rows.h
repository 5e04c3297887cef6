// A job's rows of cos and sin as a Rope should compute them.
#ifndef SIMDROPE_TESTS_SUPPORT_ROWS_H_
#define SIMDROPE_TESTS_SUPPORT_ROWS_H_

#include <simdrope/simdrope.hpp>
#include <vector>

#include "support/ids.h"
#include "support/reference.h"

namespace testing {

// theta^(-2 i / dim), with no scaling.
std::vector<double> PlainInvFreq(double theta, int dim);

// Sets window and rows of the job to those of `rope`, of `config`, at `ids`. XPos and temperature of
// the config count. The rope and ids must outlive the job.
void UseRope(const simdrope::Rope& rope, const simdrope::Config& config, const Ids& ids, Job* job);

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_ROWS_H_
