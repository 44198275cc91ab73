// Main program of every simulation: cocotb's Verilator loop, with the clock in C++.
//
// With the plus-argument +clock=PERIOD (in units of the time precision) the clock of the top module toggles here, before
// the one evaluation of each edge. A cocotb `Clock` costs a callback, a delayed write and a second evaluation of the
// whole chip per edge instead. Without the plus-argument this is an ordinary cocotb simulator, and the test bench drives
// the clock. In both cases callbacks run in the order of IEEE 1800-2012, 4.4: `RisingEdge(clk)` sees the values before
// the edge, `ReadOnly` those after it.
//
// `bare_run` is for benchmarks: Python, which lives in this process, asks for a number of cycles in which nothing but the
// model runs, no callback and no trace, and reads the time that they took with `bare_seconds`.
//
// +trace=FILE writes a waveform, if the simulator was built for it. Until the simulation ends it is called .trace-PID.part,
// in the same folder; a signal ends the simulation in order, so that what was traced until then can be read. Python
// switches it off and on with `trace_on`.
//
// +coverage=FOLDER leaves the counts of the coverage there as PID.dat, if the simulator was built for it.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "Vtop.h"
#include "verilated.h"
#include "verilated_vpi.h"

#if VM_COVERAGE
#include "verilated_cov.h"
#endif
#if VM_TRACE_FST
#include "verilated_fst_c.h"
using Trace = VerilatedFstC;
#elif VM_TRACE
#include "verilated_vcd_c.h"
using Trace = VerilatedVcdC;
#endif

static std::uint64_t bare_cycles = 0;
static double bare_time = 0.0;

static bool tracing = true;
static volatile std::sig_atomic_t ended_by = 0;

extern "C" void trace_on(int on) { tracing = on != 0; }
extern "C" void bare_run(std::uint64_t cycles) { bare_cycles = cycles; }
extern "C" double bare_seconds() { return bare_time; }

extern "C" void vlog_startup_routines_bootstrap();  // cocotb's VPI library

namespace {

constexpr std::uint64_t NEVER = ~std::uint64_t{0};

std::string plus_argument(VerilatedContext& context, const char* name) {
    const std::string prefix = std::string{"+"} + name + "=";
    const std::string match = context.commandArgsPlusMatch((std::string{name} + "=").c_str());
    return match.rfind(prefix, 0) == 0 ? match.substr(prefix.size()) : std::string{};
}

void call_value_callbacks() {
    while (VerilatedVpi::callValueCbs()) {
    }
}

// Evaluate until neither the model nor a callback wants more in this time step.
void settle(Vtop& top) {
    do {
        do {
            top.eval_step();
            VerilatedVpi::clearEvalNeeded();
            VerilatedVpi::doInertialPuts();
            call_value_callbacks();
        } while (VerilatedVpi::evalNeeded());
        VerilatedVpi::callCbs(cbReadWriteSynch);
        VerilatedVpi::doInertialPuts();
        call_value_callbacks();
    } while (VerilatedVpi::evalNeeded());
    top.eval_end_step();
    VerilatedVpi::callCbs(cbReadOnlySynch);
}

// The loop below sees it. What keeps it from there, e.g. Python that waits for something, does so for a while only.
void end_in_order(int number) {
    ended_by = number;
    alarm(60);
}

}  // namespace

int main(int argc, char** argv) {
    VerilatedContext& context = *Verilated::defaultContextp();
    context.commandArgs(argc, argv);
    context.fatalOnVpiError(false);  // cocotb probes for objects that need not exist
    const auto top = std::make_unique<Vtop>(&context, "");

    const std::string period = plus_argument(context, "clock");
    const std::uint64_t half_period = period.empty() ? 0 : std::strtoull(period.c_str(), nullptr, 10) / 2;
    if (!period.empty() && half_period == 0) {
        std::fprintf(stderr, "+clock=%s: expected a period of at least 2 time steps\n", period.c_str());
        return 2;
    }
    std::uint64_t next_edge = half_period ? half_period : NEVER;

#if VM_TRACE
    const std::string trace_file = plus_argument(context, "trace");
    Trace trace;
    context.traceEverOn(true);
    const auto folder_end = trace_file.rfind('/') + 1;  // 0 if there is none
    const std::string part = trace_file.substr(0, folder_end) + ".trace-" + std::to_string(getpid()) + ".part";
    if (!trace_file.empty()) {
        top->trace(&trace, 99);
        trace.open(part.c_str());
        if (!trace.isOpen()) {
            std::fprintf(stderr, "%s: the trace cannot be written: %s\n", trace_file.c_str(), std::strerror(errno));
            return 2;
        }
        for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGIO}) std::signal(number, end_in_order);
    }
#endif

    vlog_startup_routines_bootstrap();
    VerilatedVpi::callCbs(cbStartOfSimulation);
    call_value_callbacks();

    while (!context.gotFinish() && !ended_by) {
        if (bare_cycles && top->clk == 0) {
            const auto begun = std::chrono::steady_clock::now();
            for (std::uint64_t edge = 0; edge < 2 * bare_cycles; ++edge) {
                top->clk = !top->clk;
                top->eval();
            }
            bare_time = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
            bare_cycles = 0;
        }
        settle(*top);
#if VM_TRACE
        if (trace.isOpen() && tracing) trace.dump(context.time());
#endif
        const std::uint64_t next_model = top->eventsPending() ? top->nextTimeSlot() : NEVER;
        const std::uint64_t next = std::min({VerilatedVpi::cbNextDeadline(), next_model, next_edge});
        if (next == NEVER) break;
        context.time(next);
        VerilatedVpi::callCbs(cbNextSimTime);
        call_value_callbacks();
        VerilatedVpi::callTimedCbs();
        call_value_callbacks();
        if (next == next_edge) {
            top->clk = !top->clk;
            next_edge += half_period;
            call_value_callbacks();
        }
    }

    if (!ended_by) {
        top->final();
        VerilatedVpi::callCbs(cbEndOfSimulation);
    }
#if VM_TRACE
    if (trace.isOpen()) {
        trace.close();
        if (std::rename(part.c_str(), trace_file.c_str()) != 0) {
            std::fprintf(stderr, "%s: the trace cannot be written: %s\n", trace_file.c_str(), std::strerror(errno));
            std::remove(part.c_str());
            return 2;
        }
    }
#endif
#if VM_COVERAGE
    const std::string folder = plus_argument(context, "coverage");
    if (!folder.empty()) {
        const std::string counts = folder + "/" + std::to_string(getpid());
        context.coveragep()->write(counts + ".part");
        std::rename((counts + ".part").c_str(), (counts + ".dat").c_str());
    }
#endif
    if (ended_by) {
        std::signal(ended_by, SIG_DFL);
        std::raise(ended_by);
    }
    return context.errorCount() > 0 ? 1 : 0;
}
