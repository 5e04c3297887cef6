// A second unit with the header: nothing in it may be defined twice.
#include <simdrope/simdrope.hpp>

int other_unit() { return simdrope::Rope::create(simdrope::Config(8)).ok() ? 0 : 1; }
