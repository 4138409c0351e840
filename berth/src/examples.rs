//! What the help of each command ends with: examples, in one place, so that each can be parsed by a test.

use clap::Command;

/// Examples by command, without `berth`; a group's tell a short story of its commands.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "replay",
        &[
            "berth replay",
            "berth replay --trace ../shared/data/planetlab/20110303 --format planetlab --out out",
            "berth replay --hosts 40 --protect on --out out --events all",
            "berth replay --between hold --json",
        ],
    ),
    (
        "ipam",
        &[
            "berth ipam --store redb:ipam.redb pool add p 10.9.0.0/22 --gateway 10.9.0.1 --vlan 120",
            "berth ipam --store redb:ipam.redb claim --owner c1/eth0 --workload shop/web-0 --host h1 --sticky 1h",
            "berth ipam --store redb:ipam.redb show",
            "berth ipam --store redb:ipam.redb release --owner c1/eth0",
        ],
    ),
    (
        "ipam pool",
        &[
            "berth ipam --store redb:ipam.redb pool add p 10.9.0.0/22 --gateway 10.9.0.1",
            "berth ipam --store redb:ipam.redb pool list --json",
            "berth ipam --store redb:ipam.redb pool rm p",
        ],
    ),
    (
        "ipam pool add",
        &[
            "berth ipam --store redb:ipam.redb pool add p 10.9.0.0/22 --gateway 10.9.0.1 --vlan 120",
            "berth ipam --store redb:ipam.redb pool add v6 fd00:9::/64 --block-size 122 --quarantine 5m",
        ],
    ),
    (
        "ipam pool list",
        &["berth ipam --store redb:ipam.redb pool list --json"],
    ),
    (
        "ipam pool rm",
        &["berth ipam --store redb:ipam.redb pool rm p"],
    ),
    (
        "ipam pool drain",
        &[
            "berth ipam --store redb:ipam.redb pool drain p",
            "berth ipam --store redb:ipam.redb pool drain p --undo",
        ],
    ),
    (
        "ipam pool change",
        &[
            "berth ipam --store redb:ipam.redb pool change p --exclude 10.9.3.0-10.9.3.15 --label env=prod",
        ],
    ),
    (
        "ipam pool grow",
        &["berth ipam --store redb:ipam.redb pool grow p 10.9.0.0/20"],
    ),
    (
        "ipam claim",
        &[
            "berth ipam --store redb:ipam.redb claim --owner c1/eth0 --host h1",
            "berth ipam --store redb:ipam.redb claim --owner c2/eth0 --workload shop/web-0 --host h1 --sticky 1h",
            "berth ipam --store redb:ipam.redb claim --owner c3/eth0 --workload shop/db-0 --host h1 --fixed 10.9.0.53",
        ],
    ),
    (
        "ipam renew",
        &[
            "berth ipam --store redb:ipam.redb renew --owner c1/eth0 --sequence 4 --lease 10m",
            "berth ipam --store redb:ipam.redb renew --host h1 --lease 10m",
        ],
    ),
    (
        "ipam release",
        &[
            "berth ipam --store redb:ipam.redb release --owner c1/eth0 --sequence 4",
            "berth ipam --store redb:ipam.redb release --workload shop/web-0",
        ],
    ),
    (
        "ipam who",
        &["berth ipam --store redb:ipam.redb who 10.9.0.17"],
    ),
    (
        "ipam explain",
        &["berth ipam --store redb:ipam.redb explain --owner c1/eth0 --host h1 --label env=prod"],
    ),
    (
        "ipam show",
        &[
            "berth ipam --store redb:ipam.redb show",
            "berth ipam --store redb:ipam.redb show --owner c1/eth0 --json",
        ],
    ),
    (
        "ipam reserve",
        &[
            "berth ipam --store redb:ipam.redb reserve --workload shop/db-0 --address 10.9.0.53",
            "berth ipam --store redb:ipam.redb reserve --workload shop/db-0 --remove",
        ],
    ),
    (
        "ipam move",
        &[
            "berth ipam --store redb:ipam.redb move begin --workload shop/web-0 --from h1 --to h2",
            "berth ipam --store redb:ipam.redb release --owner c1/eth0",
            "berth ipam --store redb:ipam.redb move finish --workload shop/web-0 --owner c2/eth0",
        ],
    ),
    (
        "ipam move begin",
        &["berth ipam --store redb:ipam.redb move begin --workload shop/web-0 --from h1 --to h2"],
    ),
    (
        "ipam move finish",
        &["berth ipam --store redb:ipam.redb move finish --workload shop/web-0 --owner c2/eth0"],
    ),
    (
        "ipam move abort",
        &["berth ipam --store redb:ipam.redb move abort --workload shop/web-0"],
    ),
    (
        "ipam host",
        &["berth ipam --store redb:ipam.redb host set h1 --address 192.168.1.11/24"],
    ),
    (
        "ipam host set",
        &[
            "berth ipam --store redb:ipam.redb host set h1 --address 192.168.1.11/24 --block-limit 4",
            "berth ipam --store redb:ipam.redb host set h1 --drain",
        ],
    ),
    (
        "ipam gc",
        &[
            "berth ipam --store redb:ipam.redb gc --live owners.txt --grace 15m",
            "crictl ps -q | sed 's|$|/eth0|' | berth ipam --store redb:ipam.redb gc --live -",
        ],
    ),
    (
        "ipam fsck",
        &[
            "berth ipam --store redb:ipam.redb fsck",
            "berth ipam --store redb:ipam.redb fsck --repair",
        ],
    ),
    (
        "ipam routes",
        &[
            "berth ipam --store redb:ipam.redb routes --host h1 --wrap cross-subnet --tunnel vxlan",
            "berth ipam --store redb:ipam.redb routes --host h1 --format bird --out /etc/bird/berth.conf",
            "ip -N -j route show table all | berth ipam --store redb:ipam.redb routes --host h1 --format ip --observed - | ip -batch -",
        ],
    ),
    (
        "ipam serve",
        &[
            "berth ipam --store redb:ipam.redb serve --host h1 --metrics 127.0.0.1:9469",
            "berth ipam --store etcd:http://10.0.0.1:2379 serve --host h1 --live /run/owners --grace 5m",
        ],
    ),
    (
        "ipam kube",
        &[
            "berth ipam --store etcd:http://10.0.0.1:2379 kube --metrics 127.0.0.1:9470",
            "berth ipam --store redb:ipam.redb kube --kubeconfig admin.conf --namespace shop --cluster test",
        ],
    ),
    (
        "ipam dump",
        &["berth ipam --store redb:ipam.redb dump > ipam.json"],
    ),
    (
        "ipam load",
        &[
            "berth ipam --store redb:new.redb load ipam.json",
            "berth ipam --store redb:ipam.redb dump | berth ipam --store redb:new.redb load",
        ],
    ),
    (
        "discover",
        &[
            "berth discover run --source file:services.json --sink envoy-file:/run/berth/eds.json",
            "berth discover show --state /run/berth/eds.json.state",
            "berth discover drain --endpoint web-1 --state /run/berth/eds.json.state",
            "berth discover undrain --endpoint web-1 --state /run/berth/eds.json.state",
        ],
    ),
    (
        "discover run",
        &[
            "berth discover run --source file:services.json --sink stdout",
            "berth discover run --source file:services.json --sink envoy-file:/run/berth/eds.json --metrics 127.0.0.1:9471",
            "berth discover run --source docker:/var/run/docker.sock --sink envoy-file:/run/berth/eds.json",
            "berth discover run --source file:services.json --sink haproxy:/run/haproxy.sock --state /var/lib/berth/discover.state",
        ],
    ),
    (
        "discover drain",
        &[
            "berth discover drain --endpoint web-1 --control /run/berth/eds.json.state.sock",
            "berth discover drain --region north --over 60s --state /run/berth/eds.json.state",
        ],
    ),
    (
        "discover undrain",
        &["berth discover undrain --node n1 --control /run/berth/eds.json.state.sock"],
    ),
    (
        "discover confirm",
        &["berth discover confirm web --control /run/berth/eds.json.state.sock"],
    ),
    (
        "discover show",
        &["berth discover show --control /run/berth/eds.json.state.sock --json"],
    ),
    (
        "shape",
        &[
            "berth shape plan --desired policy.toml --format batch",
            "berth shape apply --desired policy.toml",
            "berth shape watch --desired policy.toml",
            "berth shape show",
            "berth shape encode --batch setup.tc --era 6.1 --ifindex d0=3,d1=2",
            "berth shape decode d0.class.dump.nl --json",
        ],
    ),
    (
        "shape plan",
        &[
            "berth shape plan --desired policy.toml",
            "berth shape plan --desired policy.toml --observed seen.json --format batch --netns host",
            "berth shape plan --desired policy.toml --out steps",
        ],
    ),
    (
        "shape apply",
        &[
            "berth shape apply --desired policy.toml --dry-run",
            "berth shape apply --desired policy.toml",
        ],
    ),
    (
        "shape show",
        &[
            "berth shape show",
            "berth shape show --netns host --netns web-1 --json > seen.json",
        ],
    ),
    (
        "shape watch",
        &[
            "berth shape watch --desired policy.toml --addresses claims.json",
            "berth shape watch --desired policy.toml --metrics 127.0.0.1:9464 > usage.jsonl",
            "berth shape watch --desired policy.toml --restore",
        ],
    ),
    (
        "shape encode",
        &["berth shape encode --batch setup.tc --era 6.1 --ifindex d0=3,d1=2"],
    ),
    (
        "shape decode",
        &["berth shape decode d0.class.dump.nl --json"],
    ),
    (
        "place",
        &[
            "berth place solve --model m.txt --assignment a.txt --solution new.txt --seconds 10",
            "berth place check --model m.txt --assignment a.txt --solution new.txt",
            "berth place order --model m.txt --assignment a.txt --solution new.txt",
        ],
    ),
    (
        "place solve",
        &[
            "berth place solve --model m.txt --assignment a.txt --solution new.txt --seconds 10",
            "berth place solve --model m.txt --assignment a.txt --evaluations 1000000 --seed 3 --json",
        ],
    ),
    (
        "place check",
        &["berth place check --model m.txt --assignment a.txt --solution new.txt"],
    ),
    (
        "place order",
        &["berth place order --model m.txt --assignment a.txt --solution new.txt --per-node 2"],
    ),
    (
        "completions",
        &[
            "berth completions bash > /etc/bash_completion.d/berth",
            "berth completions zsh > ~/.zfunc/_berth",
        ],
    ),
    (
        "man",
        &[
            "berth man | man -l -",
            "berth man ipam claim > berth-ipam-claim.1",
        ],
    ),
];

/// The command with examples at the end of the help of each command below it.
pub(crate) fn added(mut command: Command) -> Command {
    for name in names(&command) {
        command = command.mut_subcommand(&name, |inner| below(inner, &name));
    }
    command
}

fn below(mut command: Command, path: &str) -> Command {
    for name in names(&command) {
        let path = format!("{path} {name}");
        command = command.mut_subcommand(&name, |inner| below(inner, &path));
    }
    match EXAMPLES.iter().find(|(of, _)| *of == path) {
        Some((_, [one])) => command.after_help(format!("Example:\n  {one}")),
        Some((_, several)) => command.after_help(format!("Examples:\n  {}", several.join("\n  "))),
        None => command,
    }
}

fn names(command: &Command) -> Vec<String> {
    let names = command.get_subcommands().map(|c| c.get_name().to_owned());
    names.collect()
}
