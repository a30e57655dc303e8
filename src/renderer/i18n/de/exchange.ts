import type { Texts } from '../en.ts';

export const exchangeTexts: Pick<Texts, 'exchange'> = {
  exchange: {
    importMachine: 'Maschine importieren …', importTitle: 'Maschine importieren', file: 'Datei', fileHint: 'Ein Bündel, ein OVA- oder OVF-Paket oder eine Maschine von VirtualBox (.vbox), VMware (.vmx), UTM (.utm) oder quickemu (.conf)',
    name: 'Name', look: 'Ansehen', import: 'Importieren', importing: 'Wird importiert', found: 'Eine Maschine von {{source}} mit {{memory}} Arbeitsspeicher; Festplatten: {{disks}}',
    source: { virtualbox: 'VirtualBox', vmware: 'VMware', utm: 'UTM', quickemu: 'quickemu', ovf: 'einem OVF-Paket' },
    leftOutTitle: 'Dafür ist kein Platz, oder es wird etwas anderes:', takeOutside: 'Auch diese Dateien nehmen, die außerhalb ihres Ordners liegen',
    leftOut: {
      processors: 'Prozessoren', memory: 'Arbeitsspeicher', firmware: 'Firmware', disk: 'Festplatte', 'disk-bus': 'Festplatten-Controller', disc: 'CD', floppy: 'Diskette', 'network-model': 'Netzwerkkarte',
      'network-mode': 'Netzwerk', forward: 'Weitergeleiteter Port', 'shared-folder': 'Freigegebener Ordner', usb: 'USB', sound: 'Ton', graphics: 'Grafik', tpm: 'TPM', 'secure-boot': 'Sicherer Start', 'serial-port': 'Serielle Schnittstelle',
      'parallel-port': 'Parallele Schnittstelle', snapshots: 'Sicherungspunkte', 'nested-machines': 'Weitere Maschine', 'guest-settings': 'Einstellungen des Gasts', setting: 'Einstellung',
    },
    exportMachine: 'Exportieren …', exportTitle: '{{name}} exportieren', way: 'Für wen', ways: { ova: 'VirtualBox, VMware und andere (OVA-Paket)', guestvmz: 'Guesthouse, mit Sicherungspunkten (Bündel)', qemu: 'QEMU (Befehlszeile)' },
    target: 'Datei', export: 'Exportieren', exporting: 'Wird exportiert', exported: '{{name}} wurde nach {{path}} exportiert', command: 'Befehlszeile', showCommand: 'Befehlszeile zeigen',
    sign: 'Signieren', signHint: 'Mit dem Schlüssel dieses Computers. Wer das Bündel bekommt, sieht, dass niemand es verändert hat',
    replicateMachine: 'Replizieren …', replicateTitle: '{{name}} replizieren', replicaFolder: 'Ordner des Replikats', replicaHint: 'Einer für jede Maschine. Nur was sich geändert hat, wird kopiert, auch während sie läuft',
    interval: 'Von jetzt an', intervals: { never: 'Nur jetzt', hourly: 'Jede Stunde', sixHourly: 'Alle sechs Stunden', daily: 'Jeden Tag', weekly: 'Jede Woche' },
    replicate: 'Jetzt replizieren', replicating: 'Wird repliziert', replicated: '{{name}} wurde repliziert: {{size}} neu',
    generations: 'Was im Replikat ist', generation: '{{time}}, {{size}} neu', restoreGeneration: 'Eine Maschine daraus machen', restoring: 'Wird aus dem Replikat kopiert',
    makeTemplate: 'Zur Vorlage machen', noTemplate: 'Nicht mehr als Vorlage', isTemplate: 'Vorlage', templateHint: 'Zum Klonen da; sie startet selbst nicht', resetSave: 'Sichern',
    resetOnOff: 'Beim Ausschalten zurücksetzen …', resetTitle: 'Wenn {{name}} ausgeht', resetTo: 'Sie wird zu', resetNever: 'Dem, was sie ist', resetNone: 'Sie hat noch keine Sicherungspunkte: lege zuerst einen an', resetHint: 'Was seitdem getan wurde, ist dann verloren',
  },
};
