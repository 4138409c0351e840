//! What the kernel takes without a word and a plan must not.

use netshape::{
    Class, DevName, Device, Handle, Htb, HtbClass, Kernel, Qdisc, QdiscKind, RateSpec, RefusalKind,
};

fn class(id: u16, parent: u16, rate: u64) -> Class {
    let spec = RateSpec::plain(rate);
    let htb = HtbClass {
        rate: spec,
        ceil: spec,
        ..HtbClass::default()
    };
    Class {
        id: Handle::new(1, id),
        parent: Handle::new(1, parent),
        htb,
    }
}

fn tree(default: u16, classes: &[Class]) -> Device {
    let mut device = Device::new();
    let root = QdiscKind::Htb(Htb::to_default(default));
    device.put_qdisc(Qdisc::new(Handle::qdisc(1), Handle::ROOT, root));
    classes.iter().for_each(|c| drop(device.put_class(*c)));
    device
}

#[test]
fn unsound_trees_are_named() {
    assert_eq!(tree(2, &[class(1, 0, 10), class(2, 1, 10)]).check(), Ok(()));
    let over = tree(2, &[class(1, 0, 10), class(2, 1, 6), class(3, 1, 6)]).check();
    assert!(matches!(over, Err(RefusalKind::ChildrenOverParent { .. })));
    assert_eq!(
        over.unwrap_err().to_string(),
        "sum 96 bit/s below class 1:1 over its 80 bit/s"
    );
    let default = tree(9, &[class(1, 0, 10)]).check().unwrap_err();
    assert_eq!(
        default,
        RefusalKind::NoSuchClass {
            what: "default",
            class: Handle::new(1, 9)
        }
    );
    let parent = tree(1, &[class(1, 7, 10)]).check().unwrap_err();
    assert_eq!(
        parent,
        RefusalKind::NoSuchClass {
            what: "parent",
            class: Handle::new(1, 7)
        }
    );
    let deep: Vec<Class> = (1..=9)
        .map(|i| class(i, i - 1, 100 - u64::from(i)))
        .collect();
    assert_eq!(
        tree(9, &deep[..8]).check().is_ok(),
        false,
        "default 9 is not there"
    );
    assert_eq!(tree(8, &deep[..8]).check(), Ok(()));
    let deep = tree(9, &deep).check().unwrap_err();
    assert_eq!(
        deep,
        RefusalKind::TooDeep {
            class: Handle::new(1, 9),
            limit: 8
        }
    );
}

#[test]
fn a_failed_request_changes_nothing() {
    let devices = [("d0".to_owned(), 3)].into_iter().collect();
    let name = DevName::host("d0");
    let mut kernel = Kernel::new();
    kernel.put_device(name.clone(), Device::new());
    let mut tc = |line: &str| {
        let message = netshape::parse_line(line, netshape::Era::Ceil, &devices)
            .unwrap()
            .unwrap();
        let before = kernel.clone();
        let answer = kernel.request(&name, &message);
        assert!(answer.is_ok() || kernel == before, "{line}");
        answer.map_err(|e| e.to_string())
    };
    assert_eq!(tc("qdisc add dev d0 root handle 1: htb default 1"), Ok(()));
    assert_eq!(
        tc("class add dev d0 parent 1: classid 1:1 htb rate 1mbit"),
        Ok(())
    );
    assert_eq!(
        tc("class add dev d0 parent 1: classid 1:1 htb rate 1mbit"),
        Err("File exists".into())
    );
    assert_eq!(
        tc("class add dev d0 parent 1:1 classid 1:2 htb rate 1mbit"),
        Ok(())
    );
    assert_eq!(
        tc("class del dev d0 classid 1:1"),
        Err("HTB class in use.".into())
    );
    assert_eq!(
        tc("qdisc add dev d0 parent 1:1 handle 10: pfifo"),
        Err("Invalid argument".into())
    );
    assert_eq!(
        tc("qdisc add dev d0 parent 1:9 handle 10: pfifo"),
        Err("Specified class not found.".into())
    );
    // Taken without a word: another parent, and a filter to no class.
    assert_eq!(
        tc("class change dev d0 parent 1: classid 1:2 htb rate 2mbit"),
        Ok(())
    );
    assert_eq!(
        tc("filter add dev d0 parent 1: protocol ip prio 1 u32 match u32 0 0 flowid 1:77"),
        Ok(())
    );
    let device = kernel.device(&name).unwrap();
    assert_eq!(
        device.class(Handle::new(1, 2)).unwrap().parent,
        Handle::new(1, 1)
    );
    assert!(matches!(
        device.check(),
        Err(RefusalKind::ChildrenOverParent { .. })
    ));
}
